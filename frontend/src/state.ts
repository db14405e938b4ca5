/**
 * What is shown, and the address that says so.
 *
 * The whole state is in the part of the address after #: it never reaches a server's log, and a link reopens the
 * same view. Hours are written as UTC instants, so that the link survives a new run that begins at another hour.
 */

import { ALL_ROLES, WHOLE_FORCE, type ForceMap, type Place } from './decode';
import { type HotspotChoice, NO_HOTSPOTS, SHARES } from './hotspots';
import type { ViewKey } from './wording';

/** A part of the map: its middle in degrees, and how close it is. */
export interface Camera {
  zoom: number;
  latitude: number;
  longitude: number;
}

export interface State {
  hour: number;
  place: Place;
  figure: ViewKey;
  theme: 'auto' | 'light' | 'dark';
  view: 'map' | 'table';
  /** The rows of the table. */
  rows: 'areas' | 'pools';
  hotspots: HotspotChoice;
  list: 'short' | 'peaks';
  /** The part of the map that is seen, or null while it is the whole force in its frame. */
  camera: Camera | null;
}

export type Change = Partial<State>;

export class Store {
  private listeners: ((state: State, changed: ReadonlySet<keyof State>) => void)[] = [];

  constructor(private current: State) {}

  get state(): State {
    return this.current;
  }

  subscribe(listener: (state: State, changed: ReadonlySet<keyof State>) => void): void {
    this.listeners.push(listener);
  }

  set(change: Change): void {
    const changed = new Set<keyof State>();
    for (const key of Object.keys(change) as (keyof State)[]) {
      if (change[key] !== undefined && !same(this.current[key], change[key])) changed.add(key);
    }
    if (changed.size === 0) return;
    this.current = { ...this.current, ...change };
    for (const listener of this.listeners) listener(this.current, changed);
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export function writeAddress(map: ForceMap, state: State): string {
  const parts = [`hour=${writeHour(map.hours.starting[state.hour] ?? 0)}`, `place=${writePlace(map, state.place)}`, `figure=${state.figure}`];
  if (state.view !== 'map') parts.push(`view=${state.view}`);
  if (state.rows !== 'areas') parts.push(`rows=${state.rows}`);
  if (state.hotspots.shown) parts.push(`hotspots=${writeHotspots(state.hotspots)}`);
  if (state.list !== 'short') parts.push(`list=${state.list}`);
  if (state.camera !== null) parts.push(`map=${writeCamera(state.camera)}`);
  if (state.theme !== 'auto') parts.push(`theme=${state.theme}`);
  return `#${parts.join('&')}`;
}

/** Reads what it can. What it cannot read, or what this run does not have, is left to the defaults. */
export function readAddress(map: ForceMap, hash: string, figures: readonly ViewKey[]): Change {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const change: Change = {};
  const hour = readHour(map, given.get('hour'));
  if (hour !== null) change.hour = hour;
  const place = readPlace(map, given.get('place'));
  if (place !== null) change.place = place;
  const figure = figures.find((key) => key === given.get('figure'));
  if (figure) change.figure = figure;
  const theme = given.get('theme');
  if (theme === 'light' || theme === 'dark') change.theme = theme;
  if (given.get('view') === 'table') change.view = 'table';
  if (given.get('rows') === 'pools') change.rows = 'pools';
  const hotspots = readHotspots(map, given.get('hotspots'));
  if (hotspots !== null) change.hotspots = hotspots;
  if (given.get('list') === 'peaks') change.list = 'peaks';
  const camera = readCamera(given.get('map'));
  if (camera !== null) change.camera = camera;
  return change;
}

/** "burglary,23,0.01,counts": the class, a shift that is held (or "hour"), the share of the ground, the plain count map. */
function writeHotspots({ class: code, shift, share, plain }: HotspotChoice): string {
  return `${encodeURIComponent(code)},${shift ?? 'hour'},${share}${plain ? ',counts' : ''}`;
}

function readHotspots(map: ForceMap, text: string | null): HotspotChoice | null {
  const [code = '', shift = '', share = '', plain = ''] = (text ?? '').split(',');
  if (!map.hotspots?.classes.includes(code)) return null;
  const held = /^\d{1,2}$/.test(shift) ? Number(shift) : null;
  return { ...NO_HOTSPOTS, shown: true, class: code, shift: held, share: SHARES.find((each) => String(each) === share) ?? NO_HOTSPOTS.share, plain: plain === 'counts' };
}

/** "10.25/51.50740/-0.12780": zoom, latitude, longitude, as other maps write them. */
function writeCamera({ zoom, latitude, longitude }: Camera): string {
  return `${zoom.toFixed(2)}/${latitude.toFixed(5)}/${longitude.toFixed(5)}`;
}

function readCamera(text: string | null): Camera | null {
  if (!/^\d{1,2}(\.\d+)?(\/-?\d{1,3}(\.\d+)?){2}$/.test(text ?? '')) return null;
  const [zoom = 0, latitude = 0, longitude = 0] = (text ?? '').split('/').map(Number);
  return zoom <= 24 && Math.abs(latitude) <= 85 && Math.abs(longitude) <= 180 ? { zoom, latitude, longitude } : null;
}

function writeHour(unixSeconds: number): string {
  // "2026-11-27T20:00Z"
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, 16)}Z`;
}

function readHour(map: ForceMap, text: string | null): number | null {
  if (!text || !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}Z$/.test(text)) return null;
  const index = map.hours.starting.indexOf(Date.parse(text) / 1000);
  return index >= 0 ? index : null;
}

function writePlace(map: ForceMap, place: Place): string {
  if (place.allRoles) return 'force:all';
  return place.scope === 'force' ? 'force' : `${place.scope}:${encodeURIComponent(map.idOf(place))}`;
}

function readPlace(map: ForceMap, text: string | null): Place | null {
  if (!text) return null;
  if (text === 'force') return WHOLE_FORCE;
  if (text === 'force:all') return map.hasOtherRoles ? ALL_ROLES : WHOLE_FORCE;
  const [scope, ...rest] = text.split(':');
  if (scope !== 'area' && scope !== 'pool') return null;
  const ids = scope === 'area' ? map.areas.id : map.pools.id;
  const index = ids.indexOf(rest.join(':'));
  return index >= 0 ? { scope, index } : null;
}
