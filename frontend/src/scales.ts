/**
 * From a figure to a class of colour, and the legend that says what the class means.
 *
 * Classes rather than a continuous ramp, because a reader can match seven colours with a legend and not a thousand.
 * A scale is fixed over the whole period, so that an hour that looks worse is worse.
 */

import type { ForceMap, Place, Scope } from './decode';
import type { Theme } from './theme';
import { isPoolView, percent, plain, signed, valueOf, type View, type ViewKey } from './wording';

export interface Scale {
  classes: number;
  /** The class of a value: 0 is the lowest. */
  classOf: (value: number) => number;
  colours: (theme: Theme) => readonly string[];
  /** One label a class, for the legend. */
  labels: string[];
  /** Classes that mean "too few", drawn with a hatch so that colour is never alone; the densest from `severe` down. */
  short?: { below: number; severe: number };
}

const HUES = { required: 'blue', demand: 'blue', officer_hours: 'teal', late: 'purple', delay: 'amber' } as const;

/** Nine classes round zero. One unit a class where gaps are small; else wider ones, still in whole units. */
export function gapScale(largest: number): Scale {
  const step = Math.max(1, Math.ceil(largest / 5));
  const classOf = (value: number): number => {
    if (value === 0) return 4;
    const away = Math.min(4, Math.ceil(Math.abs(value) / step));
    return value < 0 ? 4 - away : 4 + away;
  };
  const label = (index: number): string => {
    const away = Math.abs(index - 4);
    if (away === 0) return '0';
    const sign = index < 4 ? -1 : 1;
    const [near, far] = [(away - 1) * step + 1, away * step];
    if (away === 4) return `${sign < 0 ? '≤' : '≥'} ${signed(sign * near)}`;
    return near === far ? signed(sign * near) : sign < 0 ? `${signed(-far)} to ${signed(-near)}` : `${signed(near)} to ${signed(far)}`;
  };
  return {
    classes: 9,
    classOf,
    colours: (theme) => theme.gap,
    labels: Array.from({ length: 9 }, (_, index) => label(index)),
    short: { below: 4, severe: 2 },
  };
}

/** Classes between round bounds: the first holds everything under the first bound. */
export function boundedScale(bounds: number[], hue: keyof Theme['steps'], write: (bound: number) => string): Scale {
  const last = bounds.length;
  return {
    classes: last + 1,
    classOf: (value) => {
      let index = 0;
      while (index < last && value >= (bounds[index] as number)) index++;
      return index;
    },
    colours: (theme) => spread(theme.steps[hue], last + 1),
    labels: Array.from({ length: last + 1 }, (_, index) => {
      const [from, to] = [bounds[index - 1], bounds[index]];
      if (from === undefined) return to === undefined ? 'all' : `< ${write(to)}`;
      return to === undefined ? `≥ ${write(from)}` : `${write(from)}–${write(to)}`;
    }),
  };
}

/** Six round bounds that part what is really there: equal steps, up to the highest value but for a few. */
export function roundBounds(values: number[], classes = 7): number[] {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const high = sorted[Math.floor((sorted.length - 1) * 0.985)] ?? 0;
  if (high <= 0) return [1];
  const rough = high / classes;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((nice) => nice * power >= rough) ?? 10) * power;
  const bounds: number[] = [];
  for (let bound = 1; bound < classes && bound * step < high; bound++) bounds.push(Number((bound * step).toPrecision(6)));
  return bounds.length > 0 ? bounds : [step];
}

/** The share of calls allowed to be late by the strictest standard is itself a bound, so that crossing it is seen. */
export function lateBounds(allowedLate: number | null): number[] {
  const usual = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5];
  if (allowedLate === null || allowedLate <= 0 || allowedLate >= 1 || usual.some((bound) => Math.abs(bound - allowedLate) < 1e-9)) return usual;
  const nearest = usual.reduce((best, bound) => (Math.abs(bound - allowedLate) < Math.abs(best - allowedLate) ? bound : best));
  return usual.map((bound) => (bound === nearest ? Number(allowedLate.toFixed(3)) : bound)).sort((a, b) => a - b);
}

/** The scale of a view for areas (the map), a pool or the force (grid and slider). */
export function scaleFor(map: ForceMap, view: View, scope: Scope): Scale {
  if (view.key === 'gap') return gapScale(largestShortage(map));
  const key = view.key as Exclude<ViewKey, 'gap'>;
  if (key === 'late') {
    const targets = map.standards.map(({ target_share }) => 1 - target_share);
    return boundedScale(lateBounds(targets.length > 0 ? Math.min(...targets) : null), 'purple', percent);
  }
  const own = scope === 'area' && isPoolView(view.key) ? 'pool' : scope;
  const values: number[] = [];
  const step = own === 'area' ? Math.max(1, Math.floor(map.count('area') / 60)) : 1;
  for (let index = 0; index < map.count(own); index += step) {
    for (let hour = 0; hour < map.hourCount; hour++) {
      const value = valueOf(map, view, { scope: own, index } satisfies Place, hour);
      if (value !== null) values.push(value);
    }
  }
  const bounds = key === 'required' ? [...new Set(roundBounds(values).map(Math.ceil))] : roundBounds(values);
  return boundedScale(bounds, HUES[key], (bound) => (Number.isInteger(bound) ? String(bound) : bound < 1 ? String(bound) : plain(bound)));
}

function largestShortage(map: ForceMap): number {
  let worst = 0;
  for (const row of map.figure('pool', 'units_gap')?.values ?? []) for (const value of row) if (value !== null && -value > worst) worst = -value;
  return worst / 10 ** (map.figure('pool', 'units_gap')?.decimals ?? 0);
}

/** Fewer classes still use the whole ramp, so that the highest class always looks high. */
function spread(ramp: readonly string[], classes: number): string[] {
  return Array.from({ length: classes }, (_, index) => ramp[classes === 1 ? 0 : Math.round((index * (ramp.length - 1)) / (classes - 1))] as string);
}

/** The class of every place and hour of a view, worked out once so that an hour can be drawn at once. */
export function classesOf(map: ForceMap, view: View, scale: Scale): Int8Array {
  const areas = map.count('area');
  const classes = new Int8Array(areas * map.hourCount).fill(-1);
  for (let hour = 0; hour < map.hourCount; hour++) {
    for (let area = 0; area < areas; area++) {
      const value = valueOf(map, view, { scope: 'area', index: area }, hour);
      if (value !== null) classes[hour * areas + area] = scale.classOf(value);
    }
  }
  return classes;
}
