import { expect, test, vi } from 'vitest';
import { WHOLE_FORCE } from '../src/decode';
import { readAddress, Store, writeAddress, type State } from '../src/state';
import { makeUp } from './made-up';

const shown: State = { hour: 2, place: { scope: 'area', index: 1 }, figure: 'gap', theme: 'dark', view: 'table', rows: 'pools', hotspots: { shown: false, class: 'all', shift: null, share: 0.01, plain: false }, list: 'peaks', camera: { zoom: 10.25, latitude: 51.5074, longitude: -0.1278 } };

test('the whole state is in the address and comes back from it', () => {
  const map = makeUp();
  const address = writeAddress(map, shown);
  expect(address).toBe('#hour=2026-11-27T20:00Z&place=area:b&figure=gap&view=table&rows=pools&list=peaks&map=10.25/51.50740/-0.12780&theme=dark');
  const { hotspots: _off, ...rest } = shown;
  expect(readAddress(map, address, ['gap', 'demand'])).toEqual(rest);
});

test('what is usual is left out of the address', () => {
  expect(writeAddress(makeUp(), { ...shown, place: WHOLE_FORCE, theme: 'auto', view: 'map', rows: 'areas', list: 'short', camera: null })).toBe('#hour=2026-11-27T20:00Z&place=force&figure=gap');
});

test('what this run does not have is left to the defaults', () => {
  const map = makeUp();
  expect(readAddress(map, '#hour=1999-01-01T00:00Z&place=area:zz&figure=nonsense&theme=pink&map=10/95/0&list=all', ['gap'])).toEqual({});
  expect(readAddress(map, '#place=pool:w', ['gap'])).toEqual({ place: { scope: 'pool', index: 0 } });
  expect(readAddress(map, '', ['gap'])).toEqual({});
});

test('ids with odd letters survive the address', () => {
  const map = makeUp();
  map.areas.id[1] = 'B+2 & é#%';
  expect(readAddress(map, writeAddress(map, shown), ['gap']).place).toEqual(shown.place);
});

test('only what changed is told', () => {
  const store = new Store(shown);
  const heard = vi.fn();
  store.subscribe((_, changed) => heard([...changed]));
  store.set({ hour: 2, place: { scope: 'area', index: 1 } });
  expect(heard).not.toHaveBeenCalled();
  store.set({ hour: 3, figure: 'gap' });
  expect(heard).toHaveBeenCalledExactlyOnceWith(['hour']);
});
