/**
 * The hotspots of one class ("bluelamp-hotspots/1"): which places are shown, and how right such maps have been.
 *
 * As in the map's own figures, values travel as whole numbers and are divided by 10^decimals only here.
 */

import type { LineString, MultiLineString, MultiPolygon, Polygon } from 'geojson';
import { decimalText, MapDataError } from './decode';
import { clock, shiftDate } from './periods';
import { boundedScale, roundBounds, type Scale } from './scales';
import { percent, plain, range } from './wording';

export const FORMAT = 'bluelamp-hotspots/1';
/** Shares of the ground that can be chosen: those that the test watches. */
export const SHARES = [0.005, 0.01, 0.02, 0.05] as const;

/** What is asked for; `shift` is the hour at which a held shift begins, or null where it follows the hour shown. */
export interface HotspotChoice {
  shown: boolean;
  class: string;
  shift: number | null;
  share: number;
  plain: boolean;
}

export const NO_HOTSPOTS: HotspotChoice = { shown: false, class: 'all', shift: null, share: 0.01, plain: false };

export interface Shift {
  from_hour: number;
  to_hour: number;
}

export interface Score {
  watched_share: number;
  watched_km2: number | null;
  watched_km: number | null;
  offences: number;
  caught: number;
  hit_rate: number;
  pai: number;
  pai_low: number | null;
  pai_high: number | null;
  pei: number | null;
  recapture: number | null;
  /** What the method settled on. */
  about: string | null;
}

export interface Tested {
  weeks: number;
  stand_out: boolean | null;
  shown: Score[];
  counts: Score[];
  against_counts: number;
  against_counts_low: number | null;
  against_counts_high: number | null;
}

export type Outline = Polygon | MultiPolygon | LineString | MultiLineString;

const FIGURES = ['rank', 'ground_share', 'expected', 'chance_any', 'times_usual', 'counted', 'count_rank', 'count_ground_share'] as const;
export type FigureName = (typeof FIGURES)[number];

interface Payload {
  format: string;
  class: string;
  kind: 'hexagon' | 'area' | 'street';
  method: string;
  week_of: string;
  shifts: Shift[];
  tested: Tested | null;
  cells: { id: string[]; name: (string | null)[]; area_id: (string | null)[]; longitude: number[]; latitude: number[]; size: (number | null)[]; outline: (Outline | null)[] };
  places: { shift: number[]; cell: number[] };
  figures: Record<FigureName, { title: string; unit: string | null; decimals: number; values: (number | null)[] }>;
}

/** Times the usual: one scale for every class and shift, so that what looks more is more. */
export const TIMES_USUAL = [5, 10, 20, 50];

export class Hotspots {
  private readonly scales = new Map<boolean, Scale>();

  constructor(private readonly payload: Payload) {}

  get class() {
    return this.payload.class;
  }
  get kind() {
    return this.payload.kind;
  }
  get method() {
    return this.payload.method;
  }
  get weekOf() {
    return this.payload.week_of;
  }
  get shifts() {
    return this.payload.shifts;
  }
  get tested() {
    return this.payload.tested;
  }
  get cells() {
    return this.payload.cells;
  }

  /** The test said that no place stands out: nothing may be drawn as a hotspot. */
  get isFlat(): boolean {
    return this.tested?.stand_out === false;
  }

  /** The shift that a local hour lies in; before the first one of the day it is the last one of the day before. */
  shiftAt(hour: number): number {
    const found = this.shifts.findLastIndex(({ from_hour }) => from_hour <= hour);
    return found < 0 ? this.shifts.length - 1 : found;
  }

  shiftOf(choice: HotspotChoice, hour: number): number {
    const held = choice.shift === null ? -1 : this.shifts.findIndex(({ from_hour }) => from_hour === choice.shift);
    return held < 0 ? this.shiftAt(hour) : held;
  }

  /** The places of a shift up to a share of the ground, the first always: by risk, or on the plain count map. */
  placesOf(shift: number, share: number, isPlain: boolean): number[] {
    const [place, reach] = isPlain ? (['count_rank', 'count_ground_share'] as const) : (['rank', 'ground_share'] as const);
    const value = (name: FigureName, row: number) => this.number(name, row) ?? Infinity;
    return this.payload.places.shift
      .flatMap((own, row) => (own === shift && (value(place, row) === 1 || value(reach, row) <= share + 1e-9) ? [row] : []))
      .sort((a, b) => value(place, a) - value(place, b));
  }

  cellOf(row: number): number {
    return this.payload.places.cell[row] ?? 0;
  }

  number(name: FigureName, row: number): number | null {
    const figure = this.payload.figures[name];
    const value = figure.values[row];
    return value === null || value === undefined ? null : value / 10 ** figure.decimals;
  }

  /** The figure digit for digit, as the table gives it. */
  exact(name: FigureName, row: number): string {
    const figure = this.payload.figures[name];
    const value = figure.values[row];
    return value === null || value === undefined ? '' : decimalText(value, figure.decimals);
  }

  titleOf(name: FigureName): string {
    return this.payload.figures[name].title;
  }

  /** Colours: times the usual, or on the plain count map what was counted. */
  scale(isPlain: boolean): Scale {
    const known = this.scales.get(isPlain);
    if (known) return known;
    const counted = this.payload.places.shift.flatMap((_, row) => this.number('counted', row) ?? []);
    const made = isPlain ? boundedScale([...new Set(roundBounds(counted, 5).map(Math.ceil))], 'rose', String) : boundedScale(TIMES_USUAL, 'rose', String);
    this.scales.set(isPlain, made);
    return made;
  }

  classOf(row: number, isPlain: boolean): number {
    return this.scale(isPlain).classOf(this.number(isPlain ? 'counted' : 'times_usual', row) ?? 0);
  }

  /** The ground of some places together: "1.53 km²", "2.4 km of streets". */
  groundOf(rows: number[]): string {
    return groundWords(this.kind, rows.reduce((sum, row) => sum + (this.cells.size[this.cellOf(row)] ?? 0), 0));
  }

  /** The share of the ground that places have together: more than was asked for where the first alone is larger. */
  shareOf(rows: number[], asked: number, isPlain: boolean): number {
    const last = rows.at(-1);
    return Math.max(asked, last === undefined ? 0 : (this.number(isPlain ? 'count_ground_share' : 'ground_share', last) ?? 0));
  }

  /** How right such maps have been with so much ground watched; null where that was not tested. */
  scoreAt(share: number): Score | null {
    return scoreOf(this.tested?.shown, share);
  }

  /** The same of the plain count map that was tested beside them. */
  countScoreAt(share: number): Score | null {
    return scoreOf(this.tested?.counts, share);
  }

  /** Whether an hour's local day lies outside the week that these places are for. */
  isBeyond(date: string): boolean {
    return date < this.weekOf || date >= shiftDate(this.weekOf, 7);
  }
}

/**
 * Checks the hotspots of a class and wraps them.
 *
 * @throws MapDataError with a sentence for the user if the format is another one or columns do not match.
 */
export function decodeHotspots(raw: unknown): Hotspots {
  const payload = raw as Payload;
  if (typeof raw !== 'object' || raw === null || payload.format !== FORMAT) throw new MapDataError(`The hotspots are not written as “${FORMAT}”: this page and Bluelamp are of different versions. Reload the page.`);
  const rows = payload.places.shift.length;
  const short = FIGURES.filter((name) => payload.figures[name]?.values.length !== rows);
  if (short.length > 0 || payload.places.cell.length !== rows) throw new MapDataError(`The hotspots are not complete (${short.join(', ') || 'places'}). Make the plan again with “bluelamp plan” and reload this page.`);
  return new Hotspots(payload);
}

function scoreOf(scores: Score[] | undefined, share: number): Score | null {
  return scores?.find(({ watched_share }) => Math.abs(watched_share - share) < 1e-9) ?? null;
}

/** "15:00–23:00". */
export function shiftWords({ from_hour, to_hour }: Shift): string {
  return `${clock(from_hour, 0)}–${clock(to_hour, 0)}`;
}

/** What a class of offence is called. */
export function className(code: string): string {
  return code === 'all' ? 'All classes of crime' : code === 'harm' ? 'Harm, by the force’s weights' : code.replaceAll('_', ' ').replace(/^./, (letter) => letter.toUpperCase());
}

export function methodWords(method: string): string {
  return method === 'counts' ? 'plain count map' : method.replaceAll('_', ' ');
}

/** "1.53 km²"; of streets their length. */
export function groundWords(kind: string, size: number): string {
  return `${size.toFixed(size < 100 ? 2 : 0)} ${kind === 'street' ? 'km of streets' : 'km²'}`;
}

/** "0.5%", "1%". */
export function shareWords(share: number): string {
  return `${Number((share * 100).toFixed(2))}%`;
}

/** "37.8006, −122.2723", in the order that other maps read. */
export function degrees(latitude: number, longitude: number): string {
  return `${latitude.toFixed(4)}, ${longitude.toFixed(4)}`.replaceAll('-', '−');
}

/** "PAI 14.8 (10.9–17.8) at 1.57 km²": never without its ground. */
export function paiWords(score: Score): string {
  const interval = score.pai_low === null || score.pai_high === null ? '' : ` (${range(score.pai_low.toFixed(1), score.pai_high.toFixed(1))})`;
  return `PAI ${score.pai.toFixed(1)}${interval} at ${groundOfScore(score)}`;
}

export function groundOfScore({ watched_km, watched_km2 }: Score): string {
  return watched_km !== null ? groundWords('street', watched_km) : groundWords('hexagon', watched_km2 ?? 0);
}

/** "met 15% of 1,868 offences" in the weeks held out. */
export function metWords(score: Score, isHarm: boolean): string {
  return `met ${percent(score.hit_rate)} of ${isHarm ? 'the harm' : `${Math.round(score.offences).toLocaleString('en-GB')} offences`}`;
}

/** How right such maps have been, for whoever would act on one; of plain counts, that they are no forecast. */
export function howRight(hotspots: Hotspots, share: number, isPlain: boolean, folder: string): string[] {
  const { tested } = hotspots;
  const counts = 'Counts of this shift alone, with no forecast in them.';
  const score = isPlain ? hotspots.countScoreAt(share) : hotspots.scoreAt(share);
  if (tested === null || score === null) return [...(isPlain ? [counts] : []), `Not tested yet: how far such maps are right is not known. “bluelamp hotspots ${folder} --test” holds them against weeks that came after.`];
  const interval = score.pai_low === null || score.pai_high === null ? 'Too few weeks for an interval.' : `19 times in 20 between ${plain(score.pai_low)} and ${plain(score.pai_high)} times.`;
  const met = `In ${tested.weeks} weeks held out, watching ${shareWords(share)} of the ground (${groundOfScore(score)}) ${metWords(score, hotspots.class === 'harm')}: ${plain(score.pai)} times an even share. ${interval}`;
  if (hotspots.isFlat && !isPlain) return [met];
  if (isPlain) return [counts, `The count map that was tested${aboutOf(score)}: ${met.replace(/^In/, 'in')}`];
  if (hotspots.method === 'counts') return [met, `No method beat the plain count map${aboutOf(score)}, so this is it.`];
  const { against_counts: against, against_counts_low: low, against_counts_high: high } = tested;
  const more = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value * 100).toFixed(1)}%`;
  // As in hotspot_trial.against_counts: several times as much is told by its least end.
  if (low !== null && high !== null && high > 3) return [met, `Against the plain count map ${low > 0 ? `at least ${(1 + low).toFixed(1)} times as much` : 'not known: too few caught'}.`];
  return [met, `Against the plain count map ${more(against)}${low === null || high === null ? '' : ` (${more(low)} to ${more(high)})`}.`];
}

function aboutOf({ about }: Score): string {
  return about ? ` (${about})` : '';
}
