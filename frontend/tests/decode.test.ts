import { expect, test } from 'vitest';
import { decimalText, decodeForceMap, MapDataError } from '../src/decode';
import { makeUp, makeUpPayload } from './made-up';

test('a figure is written digit for digit, without passing through a float', () => {
  expect(decimalText(-3, 0)).toBe('-3');
  expect(decimalText(412, 3)).toBe('0.412');
  expect(decimalText(-5, 3)).toBe('-0.005');
  expect(decimalText(0, 2)).toBe('0.00');
  expect(decimalText(123456, 4)).toBe('12.3456');
});

test('a figure is known exactly and as a number', () => {
  const map = makeUp();
  expect(map.exact('area', 'incidents_mean', 0, 0)).toBe('0.412');
  expect(map.number('area', 'incidents_mean', 0, 0)).toBe(0.412);
});

test('a figure that does not apply is null, not nought', () => {
  const map = makeUp();
  expect(map.number('pool', 'units_gap', 2, 0)).toBeNull();
  expect(map.exact('pool', 'units_gap', 2, 0)).toBeNull();
  expect(map.number('pool', 'no_such_figure', 0, 0)).toBeNull();
});

test('words such as what binds are given as they are', () => {
  expect(makeUp().exact('pool', 'binds', 2, 5)).toBe('minimum');
});

test('an area belongs to the pool that covers it at that hour', () => {
  const map = makeUp();
  // 18:00 by day, 22:00 by night.
  expect(map.poolCovering(1, 0)).toBe(1);
  expect(map.poolCovering(1, 4)).toBe(2);
  expect(map.poolsAt(0)).toEqual([0, 1]);
  expect(map.areasOfPool(2, 4)).toEqual([0, 1]);
});

test('a pool of a role that covers no areas counts only among all roles', () => {
  const payload = makeUpPayload();
  const pools = payload['pools'] as Record<string, string[]>;
  for (const [part, value] of Object.entries({ id: 'c', name: 'Custody', role: 'custody' })) pools[part]?.push(value);
  const figures = (payload['figures'] as Record<string, Record<string, { values: unknown[][] }>>)['pool'] ?? {};
  for (const figure of Object.values(figures)) figure.values.push(Array.from({ length: 48 }, () => 2));
  const map = decodeForceMap(payload);
  expect(map.poolsAt(0)).toEqual([0, 1]);
  expect(map.allPoolsAt(0)).toEqual([0, 1, 3]);
  expect(map.roleOnMap).toBe('response');
});

test('another format is refused with both names and what to do', () => {
  expect(() => decodeForceMap({ format: 'bluelamp-map/2' })).toThrow(MapDataError);
  expect(() => decodeForceMap({ format: 'bluelamp-map/2' })).toThrow(/“bluelamp-map\/1”.*“bluelamp-map\/2”.*make the map again/s);
  expect(() => decodeForceMap(null)).toThrow(/bluelamp plan/);
});

test('everything that is missing is named at once', () => {
  const payload = makeUpPayload();
  delete payload['hours'];
  delete payload['pools'];
  expect(() => decodeForceMap(payload)).toThrow(/“hours” is missing; “pools” is missing/);
});

test('a figure with too few hours is named with the shape it should have', () => {
  const payload = makeUpPayload();
  (payload['figures'] as Record<string, Record<string, { values: unknown[][] }>>)['area']?.['incidents_mean']?.values[0]?.pop();
  expect(() => decodeForceMap(payload)).toThrow(/“incidents_mean” of area does not have 2 × 48 values/);
});

test('the backlog is awaited where it has an address, and joins places and hours by their names', () => {
  const payload = makeUpPayload();
  expect(decodeForceMap(payload).backlogRuns).toBeNull();
  const map = decodeForceMap({ ...payload, backlog: '/api/backlog.json' });
  expect(map.backlogRuns).toBeUndefined();
  const figure = (values: number[][]) => ({ title: '', unit: 'incident', decimals: 2, values });
  const pool = map.pools.id[1] ?? '';
  map.setBacklog({
    runs: 40,
    starting: [map.hours.starting[2] ?? 0, map.hours.starting[3] ?? 0],
    places: [pool, 'all'],
    figures: { waiting_before: figure([[125, 250], [300, 400]]), waiting_low_before: figure([[100, 200], [250, 350]]), waiting_high_before: figure([[150, 300], [350, 450]]) },
  });
  expect(map.backlogRuns).toBe(40);
  expect(map.waitingAt({ scope: 'pool', index: 1 }, 2)).toEqual({ mean: 1.25, low: 1, high: 1.5, exact: '1.25' });
  expect(map.waitingAt({ scope: 'force', index: 0 }, 3)?.mean).toBe(4);
  expect(map.waitingAt({ scope: 'pool', index: 0 }, 2)).toBeNull();
  expect(map.waitingAt({ scope: 'pool', index: 1 }, 0)).toBeNull();
  map.setBacklog(null);
  expect(map.backlogRuns).toBeNull();
});
