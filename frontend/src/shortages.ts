/** Where and when too few are on duty: hours of one pool joined into runs, worst first. */

import type { ForceMap } from './decode';

export interface Run {
  pool: number;
  /** First hour, and the hour after the last. */
  from: number;
  to: number;
  /** The hour that decides how bad the run is, and its figure: the gap, or units required where there are no duties. */
  peakHour: number;
  peak: number;
  /** Missing units added over the hours. */
  unitHours: number;
  late: { chance: number; low: number | null; high: number | null } | null;
}

/** Runs of hours in which a pool has fewer units than it requires, the largest shortage first. */
export function findShortages(map: ForceMap, pools: number[], from: number, to: number): Run[] {
  const runs: Run[] = [];
  for (const pool of pools) {
    let open: Run | null = null;
    for (let hour = from; hour <= to; hour++) {
      const gap = hour < to ? map.number('pool', 'units_gap', pool, hour) : null;
      if (gap !== null && gap < 0) {
        open ??= { pool, from: hour, to: hour, peakHour: hour, peak: 0, unitHours: 0, late: null };
        open.to = hour + 1;
        open.unitHours -= gap;
        if (gap < open.peak) [open.peak, open.peakHour] = [gap, hour];
      } else if (open) {
        runs.push(withLateness(map, open));
        open = null;
      }
    }
  }
  return runs.sort((a, b) => a.peak - b.peak || b.unitHours - a.unitHours || a.from - b.from);
}

/** Without duties nothing can be short: the hours in which each pool requires most, one run of them a pool and day. */
export function findBusiest(map: ForceMap, pools: number[], from: number, to: number): Run[] {
  const runs: Run[] = [];
  for (const pool of pools) {
    for (let start = from; start < to; start += 24) {
      let peak = 0;
      let peakHour = -1;
      for (let hour = start; hour < Math.min(to, start + 24); hour++) {
        const required = map.number('pool', 'units_required', pool, hour);
        if (required !== null && required > peak) [peak, peakHour] = [required, hour];
      }
      if (peakHour < 0) continue;
      const high = (hour: number) => hour >= from && hour < to && (map.number('pool', 'units_required', pool, hour) ?? 0) >= peak * 0.9;
      let [first, after] = [peakHour, peakHour + 1];
      while (high(first - 1)) first--;
      while (high(after)) after++;
      if (!runs.some((run) => run.pool === pool && run.from < after && first < run.to)) {
        runs.push(withLateness(map, { pool, from: first, to: after, peakHour, peak, unitHours: 0, late: null }));
      }
    }
  }
  return runs.sort((a, b) => b.peak - a.peak || a.from - b.from);
}

/** The chance that a call is late where it is highest in the run, with its range at that same hour. */
function withLateness(map: ForceMap, run: Run): Run {
  for (let hour = run.from; hour < run.to; hour++) {
    const chance = map.number('pool', 'chance_late', run.pool, hour);
    if (chance !== null && chance > (run.late?.chance ?? -1)) {
      run.late = { chance, low: map.number('pool', 'chance_late_p10', run.pool, hour), high: map.number('pool', 'chance_late_p90', run.pool, hour) };
    }
  }
  return run;
}

/** How many hours hold at least one run. */
export function countHours(runs: Run[]): number {
  return new Set(runs.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, hour) => from + hour))).size;
}
