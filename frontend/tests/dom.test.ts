import { afterEach, expect, test, vi } from 'vitest';
import { atOnceThenPerFrame } from '../src/dom';

afterEach(() => vi.unstubAllGlobals());

test('the first call acts at once, those within a frame act once in the next', () => {
  const frames: (() => void)[] = [];
  vi.stubGlobal('requestAnimationFrame', (frame: () => void) => frames.push(frame));
  const nextFrame = () => frames.splice(0).forEach((frame) => frame());
  const action = vi.fn();
  const draw = atOnceThenPerFrame(action);
  draw();
  expect(action).toHaveBeenCalledTimes(1);
  draw();
  draw();
  expect(action).toHaveBeenCalledTimes(1);
  nextFrame();
  expect(action).toHaveBeenCalledTimes(2);
  nextFrame();
  expect(action).toHaveBeenCalledTimes(2);
  expect(frames).toHaveLength(0);
  draw();
  expect(action).toHaveBeenCalledTimes(3);
});
