import { expect, test } from 'vitest';
import { decodeForceMap, type Peak, WHOLE_FORCE } from '../src/decode';
import { aimAt, listPeaks } from '../src/peaks';
import { makeUp, makeUpPayload } from './made-up';

const HOUR = 3600;
const START = Date.parse('2026-11-27T18:00Z') / 1000;

function peak(wish: Partial<Peak>): Peak {
  return { measure: 'incidents', district: null, starting: START, ending: START + 6 * HOUR, because: '', expected: 20, p10: 14, p90: 26, usual: 18, control_limit: 30, chance_above_usual: 0.6, chance_unusual: 0.1, is_unusual: false, chance_short: null, ...wish };
}

function makeUpWith(...rows: Peak[]) {
  const payload = makeUpPayload();
  // Evenings are busier than the rest, in both areas.
  const figures = payload['figures'] as { area: { incidents_mean: { values: number[][] } } };
  for (const values of figures.area.incidents_mean.values) values[3] = 9000;
  return decodeForceMap({ ...payload, peaks: { rows, tried: {} } });
}

test('a file of an older version has no peaks, and opens', () => {
  expect(listPeaks(makeUp(), 'incidents', 'time')).toEqual([]);
});

test('peaks lie on the hours of the run, and one outside of it is left out', () => {
  const map = makeUpWith(peak({}), peak({ starting: START + 90 * HOUR, ending: START + 98 * HOUR }), peak({ measure: 'offending' }));
  expect(listPeaks(map, 'incidents', 'time').map(({ from, to }) => [from, to])).toEqual([[0, 6]]);
});

test('what is expected to be unusual comes first, then what is likeliest above its usual', () => {
  const rows = [peak({ district: 'West', chance_above_usual: 0.4 }), peak({ district: 'East', chance_above_usual: 0.9 }), peak({ chance_above_usual: 0.7, is_unusual: true }), peak({ expected: 1, chance_above_usual: null })];
  expect(listPeaks(makeUpWith(...rows), 'incidents', 'unusual').map(({ chance_above_usual }) => chance_above_usual)).toEqual([0.7, 0.9, 0.4, null]);
});

test('a peak leads to its busiest hour, and a district to the pool that covers it then', () => {
  const map = makeUpWith(peak({}), peak({ district: 'East' }), peak({ district: 'East', starting: START + 6 * HOUR, ending: START + 12 * HOUR }));
  const aims = listPeaks(map, 'incidents', 'time').map((each) => aimAt(map, each));
  expect(aims[0]).toEqual({ hour: 3, place: WHOLE_FORCE });
  expect(aims[1]).toEqual({ hour: 3, place: { scope: 'pool', index: 1 } });
  expect(aims[2]).toEqual({ hour: 6, place: { scope: 'pool', index: 2 } });
});

test('a district that no area names leads to the whole force', () => {
  const map = makeUpWith(peak({ district: 'Elsewhere' }));
  expect(listPeaks(map, 'incidents', 'time').map((each) => aimAt(map, each).place)).toEqual([WHOLE_FORCE]);
});
