import { expect, test } from 'vitest';
import { MapDataError } from '../src/decode';
import { decodeHotspots, degrees, howRight, paiWords, type HotspotChoice } from '../src/hotspots';
import { readAddress, writeAddress } from '../src/state';
import { makeUp } from './made-up';

const score = (watched_share: number, pai: number, low: number | null = pai - 1, high: number | null = pai + 1) => ({ watched_share, watched_km2: 150 * watched_share, watched_km: null, offences: 1868, caught: 100, hit_rate: pai * watched_share, pai, pai_low: low, pai_high: high, pei: 0.3, recapture: 0.8, about: 'counts of the last 26 weeks' });

/** Two places in each of two shifts, in columns as they arrive. */
function payload(changed: Record<string, unknown> = {}): Record<string, unknown> {
  const figure = (decimals: number, values: (number | null)[]) => ({ title: 'a figure', unit: null, decimals, values });
  return {
    format: 'bluelamp-hotspots/1',
    class: 'burglary',
    kind: 'hexagon',
    method: 'pooled',
    week_of: '2026-11-23',
    shifts: [{ from_hour: 7, to_hour: 19 }, { from_hour: 19, to_hour: 7 }],
    tested: { weeks: 52, stand_out: true, shown: [score(0.01, 14.8)], counts: [score(0.01, 14)], against_counts: 0.095, against_counts_low: 0.038, against_counts_high: 0.163 },
    cells: { id: ['x', 'y'], name: [null, null], area_id: ['a', 'b'], longitude: [0.5, 1.5], latitude: [52.5, 52.5], size: [0.1, 0.1], outline: [null, null] },
    places: { shift: [0, 0, 1, 1], cell: [0, 1, 1, 0] },
    figures: {
      rank: figure(0, [1, 2, 1, 40]),
      ground_share: figure(6, [5000, 10_000, 5000, 200_000]),
      expected: figure(6, [430_000, 210_000, 300_000, 1000]),
      chance_any: figure(6, [350_000, 189_000, 259_000, 999]),
      times_usual: figure(3, [14_200, 7000, 12_000, 300]),
      counted: figure(3, [22_000, 30_500, 9000, 12_000]),
      count_rank: figure(0, [2, 1, 2, 1]),
      count_ground_share: figure(6, [10_000, 5000, 10_000, 5000]),
    },
    ...changed,
  };
}

const choice: HotspotChoice = { shown: true, class: 'burglary', shift: null, share: 0.01, plain: false };

test('the shift follows the hour, past midnight too, and can be held', () => {
  const hotspots = decodeHotspots(payload());
  expect([0, 6, 7, 18, 19, 23].map((hour) => hotspots.shiftOf(choice, hour))).toEqual([1, 1, 0, 0, 1, 1]);
  expect(hotspots.shiftOf({ ...choice, shift: 7 }, 23)).toBe(0);
  // A shift that this run does not have is not held.
  expect(hotspots.shiftOf({ ...choice, shift: 8 }, 23)).toBe(1);
});

test('places are those up to a share of the ground, best first, and the first whatever its size', () => {
  const hotspots = decodeHotspots(payload());
  expect(hotspots.placesOf(0, 0.01, false)).toEqual([0, 1]);
  expect(hotspots.placesOf(0, 0.001, false)).toEqual([0]);
  expect(hotspots.shareOf([0], 0.001, false)).toBe(0.005);
});

test('plain counts have places of their own, which the map by risk does not show', () => {
  const hotspots = decodeHotspots(payload());
  expect(hotspots.placesOf(1, 0.01, false)).toEqual([2]);
  expect(hotspots.placesOf(1, 0.01, true)).toEqual([3, 2]);
  expect(hotspots.scale(true).labels.length).toBeGreaterThan(1);
});

test('a figure is told digit for digit as the table has it', () => {
  const hotspots = decodeHotspots(payload());
  expect(hotspots.exact('expected', 0)).toBe('0.430000');
  expect(hotspots.number('counted', 1)).toBe(30.5);
});

test('how right maps have been is told with the ground and the interval, and against the count map', () => {
  const words = howRight(decodeHotspots(payload()), 0.01, false, 'harbour').join(' ');
  expect(words).toContain('In 52 weeks held out, watching 1% of the ground (1.50 km²) met 15% of 1,868 offences: 15 times an even share.');
  expect(words).toContain('19 times in 20 between 14 and 16 times.');
  expect(words).toContain('Against the plain count map +9.5% (+3.8% to +16.3%).');
  expect(paiWords(score(0.01, 14.8))).toBe('PAI 14.8 (13.8–15.8) at 1.50 km²');
});

test('where no method beat the count map it says so', () => {
  expect(howRight(decodeHotspots(payload({ method: 'counts' })), 0.01, false, 'f').join(' ')).toContain('No method beat the plain count map (counts of the last 26 weeks), so this is it.');
});

test('without a test it says so and how to make one', () => {
  const words = howRight(decodeHotspots(payload({ tested: null })), 0.01, false, 'harbour').join(' ');
  expect(words).toMatch(/Not tested yet.*“bluelamp hotspots harbour --test”/);
  expect(decodeHotspots(payload({ tested: null })).isFlat).toBe(false);
});

test('plain counts are told to be no forecast, and the score is that of the count map that was tested', () => {
  const words = howRight(decodeHotspots(payload()), 0.01, true, 'f').join(' ');
  expect(words).toContain('with no forecast in them');
  expect(words).toContain('The count map that was tested (counts of the last 26 weeks): in 52 weeks');
});

test('too few weeks for an interval leave it open whether places stand out', () => {
  const tested = { weeks: 6, stand_out: null, shown: [score(0.01, 3, null, null)], counts: [], against_counts: 0, against_counts_low: null, against_counts_high: null };
  const hotspots = decodeHotspots(payload({ tested }));
  expect(hotspots.isFlat).toBe(false);
  expect(howRight(hotspots, 0.01, false, 'f').join(' ')).toContain('Too few weeks for an interval.');
});

test('places hold for their week alone', () => {
  const hotspots = decodeHotspots(payload());
  expect(['2026-11-22', '2026-11-23', '2026-11-29', '2026-11-30'].map((date) => hotspots.isBeyond(date))).toEqual([true, false, false, true]);
});

test('what is of another format or not complete is refused in a sentence', () => {
  expect(() => decodeHotspots(payload({ format: 'bluelamp-hotspots/9' }))).toThrow(MapDataError);
  expect(() => decodeHotspots(payload({ places: { shift: [0], cell: [0] } }))).toThrow(/not complete/);
  expect(() => decodeHotspots(null)).toThrow(MapDataError);
});

test('coordinates are written in the order that other maps read', () => {
  expect(degrees(37.80061, -122.27232)).toBe('37.8006, −122.2723');
});

test('what is shown of hotspots is in the address and comes back, where the run has that class', () => {
  const map = makeUp({ hotspots: ['all', 'burglary'] });
  const state = { hour: 0, place: { scope: 'force', index: 0 } as const, figure: 'gap' as const, theme: 'auto' as const, view: 'map' as const, rows: 'areas' as const, list: 'short' as const, camera: null };
  for (const hotspots of [choice, { ...choice, shift: 19, share: 0.005, plain: true }]) {
    expect(readAddress(map, writeAddress(map, { ...state, hotspots }), ['gap']).hotspots).toEqual(hotspots);
  }
  expect(writeAddress(map, { ...state, hotspots: { ...choice, shown: false } })).not.toContain('hotspots');
  expect(readAddress(map, '#hotspots=robbery,hour,0.01', ['gap']).hotspots).toBeUndefined();
  expect(readAddress(makeUp(), '#hotspots=burglary,hour,0.01', ['gap']).hotspots).toBeUndefined();
});
