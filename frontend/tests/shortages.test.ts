import { expect, test } from 'vitest';
import { Calendar } from '../src/periods';
import { countHours, findBusiest, findShortages } from '../src/shortages';
import { makeUp } from './made-up';

const EVERY_POOL = [0, 1, 2];

test('hours of one pool join into a run, worst first', () => {
  const map = makeUp();
  const calendar = new Calendar(map.hours);
  const runs = findShortages(map, EVERY_POOL, 0, 48);
  expect(runs.map(({ pool, from, to, peak }) => `${map.pools.name[pool]} ${calendar.runLabel(from, to)} ${peak}`)).toEqual([
    'West response Sat 28 Nov 07:00–22:00 -2',
    'West response Sun 29 Nov 07:00–18:00 -2',
    'West response Fri 27 Nov 18:00–22:00 -2',
    'Nights Fri 27 Nov 22:00–07:00 -1',
    'Nights Sat 28 Nov 22:00–07:00 -1',
  ]);
});

test('a run carries its worst chance of lateness with that hour’s range', () => {
  expect(findShortages(makeUp(), EVERY_POOL, 0, 48)[0]?.late).toEqual({ chance: 0.38, low: 0.22, high: 0.57 });
});

test('an hour with enough parts two runs, and the worst hour is kept', () => {
  const gap = Array.from({ length: 48 }, () => 0);
  gap.splice(0, 5, -1, -4, 0, -2, -2);
  const map = makeUp({ gaps: [gap, gap.map(() => 1), gap.map(() => 1)] });
  expect(findShortages(map, EVERY_POOL, 0, 48).map(({ from, to, peak, peakHour, unitHours }) => [from, to, peak, peakHour, unitHours])).toEqual([
    [0, 2, -4, 1, 5],
    [3, 5, -2, 3, 4],
  ]);
});

test('hours are counted once however many pools are short', () => {
  const short = Array.from({ length: 48 }, (_, hour) => (hour < 6 ? -1 : 1));
  expect(countHours(findShortages(makeUp({ gaps: [short, short, short] }), EVERY_POOL, 0, 48))).toBe(6);
});

test('a window cuts runs at its ends', () => {
  const runs = findShortages(makeUp(), [0], 14, 20);
  expect(runs.map(({ from, to }) => [from, to])).toEqual([[14, 20]]);
});

test('without duties the highest requirements are found', () => {
  const runs = findBusiest(makeUp(), EVERY_POOL, 0, 48);
  expect(runs[0]).toMatchObject({ pool: 0, peak: 5 });
  expect(new Set(runs.map(({ pool }) => pool))).toEqual(new Set([0, 1, 2]));
});
