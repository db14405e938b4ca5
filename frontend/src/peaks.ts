/** Peaks of the coming week as the list shows them: in the run's hours, and at a place that the map can show. */

import { type ForceMap, type Peak, type Place, WHOLE_FORCE } from './decode';

export interface ListedPeak extends Peak {
  /** First hour of the run, and the hour after the last. */
  from: number;
  to: number;
}

export type PeakOrder = 'unusual' | 'time';

/** The peaks of one measure. Least usual first: those that are likeliest above what their place has at such a time. */
export function listPeaks(map: ForceMap, measure: string, order: PeakOrder): ListedPeak[] {
  const { starting } = map.hours;
  const after = (unix: number) => {
    const found = starting.findIndex((hour) => hour >= unix);
    return found < 0 ? starting.length : found;
  };
  const listed = map.peaks.rows
    .filter((peak) => peak.measure === measure)
    .map((peak) => ({ ...peak, from: after(peak.starting), to: after(peak.ending) }))
    .filter(({ from, to }) => from < to);
  const byTime = (a: ListedPeak, b: ListedPeak) => a.from - b.from || b.expected - a.expected;
  if (order === 'time') return listed.sort(byTime);
  return listed.sort((a, b) => Number(b.is_unusual) - Number(a.is_unusual) || (b.chance_above_usual ?? -1) - (a.chance_above_usual ?? -1) || byTime(a, b));
}

/** The hour of a peak in which most is expected, and where the map shows it: a district by the pool that covers most of it. */
export function aimAt(map: ForceMap, peak: ListedPeak): { hour: number; place: Place } {
  const areas = map.areas.district.flatMap((district, area) => (peak.district === null || district === peak.district ? [area] : []));
  const expected = (hour: number) => areas.reduce((sum, area) => sum + (map.number('area', 'incidents_mean', area, hour) ?? 0), 0);
  let [hour, most] = [peak.from, -1];
  for (let each = peak.from; each < peak.to; each++) {
    const here = expected(each);
    if (here > most) [hour, most] = [each, here];
  }
  if (peak.district === null) return { hour, place: WHOLE_FORCE };
  const covered = new Map<number, number>();
  for (const area of areas) {
    const pool = map.poolCovering(area, hour);
    if (pool !== null) covered.set(pool, (covered.get(pool) ?? 0) + 1);
  }
  const [pool] = [...covered].sort((a, b) => b[1] - a[1])[0] ?? [null];
  return { hour, place: pool === null ? WHOLE_FORCE : { scope: 'pool', index: pool } };
}
