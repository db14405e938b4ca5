/**
 * Reads the figures of a run ("bluelamp-map/1") and answers questions about them.
 *
 * Values travel as whole numbers and are divided by 10^decimals only here, so that the exact figure, digit for
 * digit the one in the tables, is never lost to a float.
 */

import type { LiveHours } from './live';
import type { FeatureCollection, MultiPolygon, Polygon } from 'geojson';

export const FORMAT = 'bluelamp-map/1';

export type Scope = 'force' | 'pool' | 'area';

export interface Figure {
  title: string;
  unit: string;
  decimals: number;
  values: (number | null)[][];
}

export interface Standard {
  grade: string;
  grade_name?: string;
  area_kind: string;
  target_minutes: number;
  target_share: number;
}

/** A shift of the coming week in which most is to come, of the force or (by its name) of a district. */
export interface Peak {
  measure: string;
  district: string | null;
  starting: number;
  ending: number;
  because: string;
  expected: number;
  p10: number;
  p90: number;
  usual: number | null;
  control_limit: number | null;
  chance_above_usual: number | null;
  chance_unusual: number | null;
  is_unusual: boolean;
  chance_short: number | null;
}

interface Words {
  values: (string | null)[][];
}

interface Payload {
  format: string;
  force: { id: string; name: string; time_zone: string };
  run: {
    run_id: string;
    made_at: string;
    data_until: string;
    method: string;
    staffing_method: string;
    seed: number;
    has_duties: boolean;
    geography: 'boundaries' | 'approximate' | 'names' | 'none';
    notes: string[];
  };
  hours: { starting: number[]; local: string[]; zone: string[] };
  areas: { id: string[]; name: string[]; district: string[]; kind: string[]; geojson: AreaShapes };
  pools: { id: string[]; name: string[]; role: string[] };
  pool_of_area: { patterns: (number | null)[][]; pattern_of_hour: number[] };
  figures: Record<Scope, Record<string, Figure | Words>>;
  recent: {
    starting: number[];
    area: { incidents: (number | null)[][] };
    force: { incidents: (number | null)[][] };
    /** Incidents by area whose origin does not drive the forecast, by origin. */
    apart: Record<string, number[]>;
  };
  standards: Standard[];
  /** A file of an older version has none. */
  peaks?: { rows: Peak[]; tried: Record<string, string> };
  links: Record<string, string>;
  /** Where the layer of hotspots is fetched, and for which classes; none in a file, or where the run has none. */
  hotspots?: { address: string; twin: string; page: string; folder: string; classes: string[] } | null;
  /** How far the simulation reproduced recorded weeks, and the page that says so; none in a file. */
  validation?: { verdict: string; address: string } | null;
  /** Where jobs waiting by hour are fetched, which are simulated when they are asked for; none in a file. */
  backlog?: string | null;
  /** The map under the areas: a PMTiles file that the force gave; none in a file. */
  basemap?: Basemap | null;
}

export interface Basemap {
  address: string;
  tiles: string;
  attribution: string | null;
}

/** Jobs waiting at the start of each hour as the plan stands, by pool and in the force ("all"), from so many runs. */
export interface Backlog {
  runs: number;
  starting: number[];
  places: string[];
  figures: Record<'waiting_before' | 'waiting_low_before' | 'waiting_high_before', Figure>;
}

export type AreaShapes = FeatureCollection<Polygon | MultiPolygon>;

/** A sentence for the person at the screen: what is wrong and what to do next. */
export class MapDataError extends Error {
  override name = 'MapDataError';
}

/** A place in the force: the whole of it, one pool or one area. `index` is its row in the figures. */
export interface Place {
  scope: Scope;
  index: number;
  /** Of the whole force: also the roles that cover no areas (custody, control room), which no map can show. */
  allRoles?: true;
}

export const WHOLE_FORCE: Place = { scope: 'force', index: 0 };
export const ALL_ROLES: Place = { scope: 'force', index: 0, allRoles: true };

export class ForceMap {
  readonly hourCount: number;
  /** Pools that cover at least one area, for each pattern of cover (fewer pools by night). */
  private readonly poolsOfPattern: number[][];
  private readonly coveringPools: Set<number>;
  private backlog: Backlog | null | undefined;
  private hourOfBacklog = new Map<number, number>();
  private placeOfBacklog = new Map<string, number>();
  private live: LiveHours | null = null;

  constructor(private readonly payload: Payload) {
    this.hourCount = payload.hours.starting.length;
    this.poolsOfPattern = payload.pool_of_area.patterns.map((pools) =>
      [...new Set(pools.filter((pool): pool is number => pool !== null))].sort((a, b) => a - b),
    );
    this.coveringPools = new Set(this.poolsOfPattern.flat());
  }

  get force() {
    return this.payload.force;
  }
  get run() {
    return this.payload.run;
  }
  get hours() {
    return this.payload.hours;
  }
  get areas() {
    return this.payload.areas;
  }
  get pools() {
    return this.payload.pools;
  }
  get recent() {
    return this.payload.recent;
  }
  get standards() {
    return this.payload.standards;
  }
  get peaks() {
    return this.payload.peaks ?? { rows: [], tried: {} };
  }
  get basemap(): Basemap | null {
    return this.payload.basemap ?? null;
  }

  get links() {
    return this.payload.links;
  }
  get hotspots() {
    return this.payload.hotspots ?? null;
  }
  get validation() {
    return this.payload.validation ?? null;
  }
  get backlogAddress() {
    return this.payload.backlog ?? null;
  }

  /** Takes the backlog in, which comes after the map; null where there is none. */
  setBacklog(backlog: Backlog | null): void {
    this.backlog = backlog;
    this.hourOfBacklog = new Map(backlog?.starting.map((start, at) => [start, at]));
    this.placeOfBacklog = new Map(backlog?.places.map((place, at) => [place, at]));
  }

  /** How many runs the backlog stands on; undefined while it is awaited, null where there is none. */
  get backlogRuns(): number | null | undefined {
    return this.backlog === undefined ? (this.backlogAddress === null ? null : undefined) : (this.backlog?.runs ?? null);
  }

  /** Takes in what came since the plan, laid over the coming hours. */
  setLive(live: LiveHours): void {
    this.live = live;
  }

  /** Whether an hour is simulated from what is open now, and not as the plan stands. */
  isLive(hour: number): boolean {
    return this.live?.waiting(this.force.id, this.hours.starting[hour] ?? -1) != null;
  }

  /** The share of an hour's calls that will be late, by grade, from what is open now; none where nothing is live. */
  lateNow(place: Place, hour: number): { grade: string; share: number }[] {
    return this.live?.late(this.idOf(place), this.hours.starting[hour] ?? -1) ?? [];
  }

  /** Jobs waiting in a pool or in the force when an hour begins, and what the runs leave open; null where not known. */
  waitingAt(place: Place, hour: number): { mean: number; low: number; high: number; exact: string } | null {
    const now = this.live?.waiting(this.idOf(place), this.hours.starting[hour] ?? -1);
    if (now) return { ...now, exact: now.mean.toFixed(4) };
    const at = this.hourOfBacklog.get(this.hours.starting[hour] ?? -1);
    const of = this.placeOfBacklog.get(place.scope === 'force' ? 'all' : this.idOf(place));
    if (!this.backlog || at === undefined || of === undefined) return null;
    const { figures } = this.backlog;
    const [mean, low, high] = (['waiting_before', 'waiting_low_before', 'waiting_high_before'] as const).map((name) => figures[name].values[of]?.[at] ?? null);
    if (mean === null || mean === undefined) return null;
    const { decimals } = figures.waiting_before;
    return { mean: mean / 10 ** decimals, low: (low ?? mean) / 10 ** decimals, high: (high ?? mean) / 10 ** decimals, exact: decimalText(mean, decimals) };
  }

  get coverPatterns() {
    return this.payload.pool_of_area.patterns;
  }
  get hasShapes(): boolean {
    return this.payload.areas.geojson.features.some(({ geometry }) => isDrawable(geometry));
  }

  /** Some areas are only a name ("place not known"): they have figures and no shape. */
  hasShape(area: number): boolean {
    return isDrawable(this.payload.areas.geojson.features[area]?.geometry);
  }

  count(scope: Scope): number {
    return scope === 'force' ? 1 : scope === 'pool' ? this.pools.id.length : this.areas.id.length;
  }

  idOf({ scope, index }: Place): string {
    if (scope === 'force') return this.force.id;
    return (scope === 'pool' ? this.pools.id[index] : this.areas.id[index]) ?? '';
  }

  nameOf({ scope, index, allRoles }: Place): string {
    if (scope === 'force') return allRoles ? 'Whole force, all roles' : 'Whole force';
    return (scope === 'pool' ? this.pools.name[index] : this.areas.name[index]) ?? '';
  }

  figure(scope: Scope, name: string): Figure | null {
    const found = this.payload.figures[scope][name];
    return found && 'decimals' in found ? found : null;
  }

  /** The names of the figures that a scope has, in the order in which the run wrote them. */
  figureNames(scope: Scope): string[] {
    return Object.keys(this.payload.figures[scope]);
  }

  /** The figure as a number, or null where it is unknown or does not apply. */
  number(scope: Scope, name: string, place: number, hour: number): number | null {
    const figure = this.figure(scope, name);
    const value = figure?.values[place]?.[hour];
    return figure === null || value === null || value === undefined ? null : value / 10 ** figure.decimals;
  }

  /** The figure digit for digit, as the tables give it: "-3", "0.4120". Null where unknown. */
  exact(scope: Scope, name: string, place: number, hour: number): string | null {
    const found = this.payload.figures[scope][name];
    const value = found?.values[place]?.[hour];
    if (value === null || value === undefined) return null;
    return typeof value === 'string' ? value : decimalText(value, (found as Figure).decimals);
  }

  /** The pool that covers this area at this hour. */
  poolCovering(area: number, hour: number): number | null {
    return this.coverPatterns[this.patternAt(hour)]?.[area] ?? null;
  }

  patternAt(hour: number): number {
    return this.payload.pool_of_area.pattern_of_hour[hour] ?? 0;
  }

  /** The pools that cover areas at this hour: those that the map can show. */
  poolsAt(hour: number): number[] {
    return this.poolsOfPattern[this.patternAt(hour)] ?? [];
  }

  /** Every pool with a requirement at this hour, whatever its role. */
  allPoolsAt(hour: number): number[] {
    const covering = new Set(this.poolsAt(hour));
    return this.pools.id.flatMap((_, pool) => (covering.has(pool) || (!this.coversAreas(pool) && this.number('pool', 'units_required', pool, hour) !== null) ? [pool] : []));
  }

  /** The pools that count for a whole force. */
  poolsOf(place: Place, hour: number): number[] {
    return place.allRoles ? this.allPoolsAt(hour) : this.poolsAt(hour);
  }

  /** Whether a pool covers areas at any hour of the run. */
  coversAreas(pool: number): boolean {
    return this.coveringPools.has(pool);
  }

  get hasOtherRoles(): boolean {
    return this.coveringPools.size < this.pools.id.length;
  }

  /** "response" if all the pools on the map have that role. */
  get roleOnMap(): string | null {
    const roles = new Set([...this.coveringPools].map((pool) => this.pools.role[pool] ?? ''));
    return roles.size === 1 ? ([...roles][0] ?? null) : null;
  }

  areasOfPool(pool: number, hour: number): number[] {
    const pattern = this.coverPatterns[this.patternAt(hour)] ?? [];
    return pattern.flatMap((covering, area) => (covering === pool ? [area] : []));
  }
}

function isDrawable(geometry: Polygon | MultiPolygon | null | undefined): boolean {
  return (geometry?.coordinates.length ?? 0) > 0;
}

/** "0.4120" from 4120 and 4 decimals, without passing through a float. */
export function decimalText(value: number, decimals: number): string {
  if (decimals === 0) return String(value);
  const digits = String(Math.abs(value)).padStart(decimals + 1, '0');
  const text = `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
  return value < 0 ? `-${text}` : text;
}

/**
 * Checks a run's figures and wraps them.
 *
 * @throws MapDataError with a sentence for the user if the format is another one or a part is missing.
 */
export function decodeForceMap(raw: unknown): ForceMap {
  if (!isObject(raw)) throw new MapDataError('The figures of this run are empty. Make the plan again with “bluelamp plan” and reload this page.');
  if (raw['format'] !== FORMAT) {
    const given = typeof raw['format'] === 'string' ? `“${raw['format']}”` : 'no format at all';
    throw new MapDataError(
      `This page reads figures written as “${FORMAT}”, and these have ${given}. The page and the figures come from different versions of Bluelamp: make the map again with the version you have installed.`,
    );
  }
  const problems = findProblems(raw as unknown as Payload);
  if (problems.length > 0) {
    throw new MapDataError(
      `The figures of this run are not complete: ${problems.slice(0, 5).join('; ')}${problems.length > 5 ? `; and ${problems.length - 5} more` : ''}. Make the plan again with “bluelamp plan” and reload this page.`,
    );
  }
  return new ForceMap(raw as unknown as Payload);
}

function findProblems(payload: Payload): string[] {
  const missing = (['force', 'run', 'hours', 'areas', 'pools', 'pool_of_area', 'figures', 'recent', 'standards', 'links'] as const).filter(
    (part) => !isObject(payload[part]),
  );
  if (missing.length > 0) return missing.map((part) => `“${part}” is missing`);

  const problems: string[] = [];
  const hours = payload.hours.starting.length;
  if (hours === 0) problems.push('there is no hour in it');
  for (const part of ['local', 'zone'] as const) {
    if (payload.hours[part].length !== hours) problems.push(`hours.${part} has ${payload.hours[part].length} entries, expected ${hours}`);
  }
  if (payload.pool_of_area.pattern_of_hour.length !== hours) problems.push(`pool_of_area.pattern_of_hour does not have ${hours} entries`);
  const shapes = payload.areas.geojson.features.length;
  if (shapes !== 0 && shapes !== payload.areas.id.length) problems.push(`${shapes} shapes were given for ${payload.areas.id.length} areas`);

  const places = { force: 1, pool: payload.pools.id.length, area: payload.areas.id.length };
  for (const scope of ['force', 'pool', 'area'] as const) {
    for (const [name, figure] of Object.entries(payload.figures[scope] ?? {})) {
      // Some figures are lists of words only ("binding_grade"), all with the same shape.
      if (!isObject(figure) || !Array.isArray(figure.values) || figure.values.length !== places[scope] || figure.values.some((row) => row.length !== hours)) {
        problems.push(`“${name}” of ${scope} does not have ${places[scope]} × ${hours} values`);
      }
    }
  }
  return problems;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
