/** Figures as people read them. Exact values stay in data-value attributes, the table's titles and the exports. */

import type { ForceMap, Place, Scope } from './decode';

const MINUS = '−';

/** "−3", "+2", "0": the sign always said, because a gap without one is ambiguous. */
export function signed(value: number, decimals = 0): string {
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  return `${value < 0 ? MINUS : '+'}${text}`;
}

/** "38%"; small chances keep a digit, and nothing that is possible is called 0%. */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.1) return '<0.1%';
  if (value < 1 && value > 0) return `${value.toFixed(1)}%`;
  if (value > 99.5 && value < 100) return '>99%';
  return `${Math.round(value)}%`;
}

/** Two or three digits that mean something: 0.62, 3.4, 14. */
export function plain(value: number): string {
  const size = Math.abs(value);
  const decimals = size === 0 ? 0 : size < 1 ? 2 : size < 10 ? 1 : 0;
  const text = size.toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
}

/** Whole things whole, others with the digits that mean something. */
export function asWritten(decimals: number): (value: number) => string {
  return decimals === 0 ? (value) => (value < 0 ? `${MINUS}${Math.abs(value)}` : String(value)) : plain;
}

/**
 * Words that all names share do not need to be said each time: "City", not "City response" nor "Response, City".
 *
 * "District 2" stays: beside a figure a bare "2" would be read as one.
 */
export function shortNames(names: string[]): { names: string[]; shared: string } {
  const parts = names.map((name) => name.split(' '));
  const least = Math.min(...parts.map((words) => words.length));
  const first = parts[0];
  if (names.length < 2 || !first) return { names, shared: '' };
  let ahead = 0;
  while (ahead < least - 1 && parts.every((words) => words[ahead] === first[ahead])) ahead++;
  let behind = 0;
  if (parts.some((words) => words.slice(ahead).join(' ').length < 3 || /^\d+$/.test(words[ahead] ?? ''))) ahead = 0;
  while (behind < least - 1 - ahead && parts.every((words) => words.at(-1 - behind) === first.at(-1 - behind))) behind++;
  const shared = [...first.slice(0, ahead), ...first.slice(first.length - behind)].join(' ').replace(/,$/, '');
  return { names: parts.map((words) => words.slice(ahead, words.length - behind).join(' ')), shared };
}

/** "15 min", "24 h". */
export function timeSpan(minutes: number): string {
  return minutes >= 120 && minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
}

/** The lines of a label: a long name is broken where its two lines come out most alike. */
export function linesOf(name: string, longest = 16): string[] {
  if (name.length <= longest) return [name];
  const words = name.split(' ');
  const breaks = words.slice(1).map((_, at) => [words.slice(0, at + 1).join(' '), words.slice(at + 1).join(' ')]);
  const length = (lines: string[]) => Math.max(...lines.map((line) => line.length));
  return breaks.reduce((best, lines) => (length(lines) < length(best) ? lines : best), [name]);
}

/** "control room" from "control_room". */
export function roleName(role: string): string {
  return role.replaceAll('_', ' ');
}

export function range(low: string, high: string): string {
  // "−5 to −1", because "−5–−1" cannot be read.
  return low.startsWith(MINUS) || high.startsWith(MINUS) || low.startsWith('+') || high.startsWith('+') ? `${low} to ${high}` : `${low}–${high}`;
}

/** "22–57%": the unit once. */
export function percentRange(low: number, high: number): string {
  const [from, to] = [percent(low), percent(high)];
  return `${from.startsWith('<') || to.startsWith('>') ? from : from.replace('%', '')}–${to}`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

const METHOD_NAMES: Record<string, string> = {
  slot_mean: 'slot mean',
  mol: 'MOL',
  erlang_c: 'Erlang C',
  workload: 'workload',
};

export function methodName(method: string): string {
  return METHOD_NAMES[method] ?? method.replaceAll('_', ' ');
}

/** What a figure is called where it is chosen, and how one value of it is written. */
export interface View {
  key: ViewKey;
  label: string;
  /** The title over the map. */
  title: string;
  figure: string;
  write: (value: number) => string;
  /** Short enough for a cell of the grid. */
  brief: (value: number) => string;
}

export type ViewKey = 'gap' | 'required' | 'demand' | 'officer_hours' | 'late' | 'delay';

const minutes = (value: number) => (value === Infinity ? 'without bound' : `${plain(value)} min`);

export const VIEWS: Record<ViewKey, View> = {
  gap: {
    key: 'gap',
    label: 'Gap',
    title: 'Gap: units on duty minus required, of the pool that covers each area',
    figure: 'units_gap',
    write: (value) => signed(value),
    brief: (value) => signed(value),
  },
  required: {
    key: 'required',
    label: 'Required',
    title: 'Units required, of the pool that covers each area',
    figure: 'units_required',
    write: (value) => String(Math.round(value)),
    brief: (value) => String(Math.round(value)),
  },
  demand: { key: 'demand', label: 'Demand', title: 'Incidents expected in the hour', figure: 'incidents_mean', write: plain, brief: briefly },
  officer_hours: { key: 'officer_hours', label: 'Officer-hours', title: 'Officer-hours expected in the hour', figure: 'officer_hours_mean', write: plain, brief: briefly },
  late: { key: 'late', label: 'Late calls', title: 'Chance that a call is late', figure: 'chance_late', write: percent, brief: (value) => String(Math.round(value * 100)) },
  delay: { key: 'delay', label: 'Delay', title: 'Expected delay of the most urgent calls, in minutes', figure: 'expected_delay_minutes', write: minutes, brief: briefly },
};

function briefly(value: number): string {
  if (value === Infinity) return '∞';
  return value >= 0.95 || value === 0 ? String(Math.round(value)) : value >= 0.05 ? value.toFixed(1).replace('0.', '.') : '';
}

/** The views that a run can show. Gap needs duties; without them the requirement takes its place. */
export function viewsOf(map: ForceMap): View[] {
  const first = map.run.has_duties && map.figure('pool', 'units_gap') ? VIEWS.gap : VIEWS.required;
  const candidates = [first, VIEWS.demand, VIEWS.officer_hours, VIEWS.late, VIEWS.delay];
  return candidates.filter((view) => map.figure(isPoolView(view.key) ? 'pool' : 'area', view.figure));
}

/** Gap and requirement belong to pools; an area only borrows them from the pool that covers it. */
export function isPoolView(key: ViewKey): boolean {
  return key === 'gap' || key === 'required';
}

/**
 * The value of a view at a place and hour.
 *
 * For the whole force the gap is that of its worst pool: adding gaps up would let spare units in one pool hide a
 * shortage in another.
 */
export function valueOf(map: ForceMap, view: View, place: Place, hour: number): number | null {
  if (!isPoolView(view.key)) {
    const value = map.number(place.scope, view.figure, place.index, hour);
    // Where more comes in than can ever be answered a delay has no bound; that is the worst delay, not a missing one.
    const unbounded = value === null && view.key === 'delay' && map.number(place.scope, 'chance_late', place.index, hour) !== null;
    return unbounded ? Infinity : value;
  }
  if (place.scope === 'force') {
    const values = map.poolsOf(place, hour).flatMap((pool) => map.number('pool', view.figure, pool, hour) ?? []);
    if (values.length === 0) return null;
    return view.key === 'gap' ? Math.min(...values) : values.reduce((sum, value) => sum + value, 0);
  }
  const pool = place.scope === 'pool' ? place.index : map.poolCovering(place.index, hour);
  return pool === null ? null : map.number('pool', view.figure, pool, hour);
}

/** What the values of a view are at a place, in words. */
export function viewOfPlace(view: View, scope: Scope): string {
  if (view.key === 'gap') return scope === 'force' ? 'gap of the worst pool' : scope === 'area' ? 'gap of the covering pool' : 'gap';
  if (view.key === 'required') return scope === 'force' ? 'units required, all pools' : scope === 'area' ? 'units required of the covering pool' : 'units required';
  return { demand: 'expected incidents', officer_hours: 'expected officer-hours', late: 'chance that a call is late', delay: 'expected delay of the most urgent calls, in minutes' }[view.key];
}
