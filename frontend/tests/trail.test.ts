import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { State } from '../src/state';
import { Trail } from '../src/trail';

/** A browser's history as far as the trail knows it: going back moves the address first, and says so later. */
class MadeUpHistory {
  entries = ['#hour=1'];
  at = 0;

  pushState(_: unknown, __: string, address: string): void {
    this.entries = [...this.entries.slice(0, this.at + 1), address];
    this.at += 1;
  }

  replaceState(_: unknown, __: string, address: string): void {
    this.entries[this.at] = address;
  }

  goBack(): void {
    this.at -= 1;
  }
}

let past: MadeUpHistory;

beforeEach(() => {
  vi.useFakeTimers();
  past = new MadeUpHistory();
  vi.stubGlobal('history', past);
  vi.stubGlobal('location', {
    get hash() {
      return past.entries[past.at];
    },
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const at = (hour: number, view: 'map' | 'table' = 'map') => ({ hour, view }) as State;
const addressOf = ({ hour, view }: State) => (view === 'map' ? `#hour=${hour}` : `#hour=${hour}&view=${view}`);

test('an hour is written soon and is no step, a view is one', () => {
  const trail = new Trail(addressOf, at(1));
  trail.follow(at(5), new Set(['hour']));
  expect(past.entries).toEqual(['#hour=1']);
  vi.advanceTimersByTime(300);
  expect(past.entries).toEqual(['#hour=5']);
  trail.follow(at(6), new Set(['hour']));
  trail.follow(at(6, 'table'), new Set(['view']));
  expect(past.entries).toEqual(['#hour=6', '#hour=6&view=table']);
});

test('what is written soon is not written over the address that the browser went back to', () => {
  const trail = new Trail(addressOf, at(1));
  trail.follow(at(5), new Set(['hour']));
  trail.follow(at(5, 'table'), new Set(['view']));
  past.goBack();
  // The browser has not said yet that it went back.
  vi.advanceTimersByTime(300);
  expect(past.entries).toEqual(['#hour=5', '#hour=5&view=table']);
  trail.arrive(() => trail.follow(at(5), new Set(['view'])));
  vi.advanceTimersByTime(300);
  expect([past.entries[past.at], past.entries.length]).toEqual(['#hour=5', 2]);
});

test('an address that is no state gives way to what is shown', () => {
  const trail = new Trail(addressOf, at(7));
  past.pushState(null, '', '#panel');
  vi.advanceTimersByTime(300);
  trail.restore();
  expect(past.entries).toEqual(['#hour=1', '#hour=7']);
});
