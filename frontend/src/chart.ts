/** The chart of a place: what was seen, what is expected with its bands, and cover below. Drawn after the map, never before. */

import type { View as VegaView } from 'vega';
import { type ForceMap, type Place } from './decode';
import { byId, make, setText } from './dom';
import { shortDate, shiftDate, wallClockOf, weekdayOf, type Calendar } from './periods';
import type { Theme } from './theme';
import { count, plain, range } from './wording';

export type Span = 'days' | 'week' | 'all';

interface Expected {
  hour: number;
  mean: number | null;
  p025: number | null;
  p10: number | null;
  p25: number | null;
  p75: number | null;
  p90: number | null;
  p975: number | null;
}

interface Cover {
  hour: number;
  required: number | null;
  onDuty: number | null;
  low: number | null;
  high: number | null;
  shortFrom: number | null;
  shortTo: number | null;
}

export interface Series {
  expected: Expected[];
  seen: { hour: number; incidents: number | null }[];
  /** The same hour of the clock one and two weeks before. */
  before: { hour: number; incidents: number }[];
  cover: Cover[];
}

/** What one place's chart draws. Hours count from the first hour of the run; what was seen lies below zero. */
export function chartSeries(map: ForceMap, calendar: Calendar, place: Place): Series {
  const number = (name: string, hour: number) => map.number(place.scope, name, place.index, hour);
  const expected = calendar.hours.map(({ index }) => ({
    hour: index,
    mean: number('incidents_mean', index),
    p025: number('incidents_p025', index),
    p10: number('incidents_p10', index),
    p25: number('incidents_p25', index),
    p75: number('incidents_p75', index),
    p90: number('incidents_p90', index),
    p975: number('incidents_p975', index),
  }));
  const observed = seenAt(map, place);
  const wall = wallClockOf(map.force.time_zone);
  const onDutyAt = hoursOnDuty(map, calendar, place);
  const seen = map.recent.starting.map((starting, index) => ({ hour: index - map.recent.starting.length, incidents: onDutyAt.has(wall(starting).hour) ? (observed[index] ?? null) : null }));
  const cover = calendar.hours.map(({ index }) => coverAt(map, place, index));
  // A step needs an end as well as a beginning.
  const closed = <Row extends { hour: number }>(rows: Row[]): Row[] => (rows.length > 0 ? [...rows, { ...(rows.at(-1) as Row), hour: (rows.at(-1) as Row).hour + 1 }] : rows);
  return { expected: closed(expected), seen: closed(seen), before: sameHoursBefore(map, calendar, place, observed), cover: closed(cover) };
}

/** Recent counts of a place. A pool's are those of the areas it covers by its first pattern of cover. */
function seenAt(map: ForceMap, place: Place): (number | null)[] {
  if (place.scope === 'force') return map.recent.force.incidents[0] ?? [];
  if (place.scope === 'area') return map.recent.area.incidents[place.index] ?? [];
  const pattern = map.coverPatterns.find((pools) => pools.includes(place.index)) ?? [];
  const areas = pattern.flatMap((pool, area) => (pool === place.index ? [area] : []));
  return map.recent.starting.map((_, hour) => {
    let sum = 0;
    for (const area of areas) {
      const seen = map.recent.area.incidents[area]?.[hour];
      // One masked area leaves the pool's count unknown, not smaller.
      if (seen === null || seen === undefined) return null;
      sum += seen;
    }
    return sum;
  });
}

/** The hours of the clock at which a place has anything to show: a night pool has no day. */
function hoursOnDuty(map: ForceMap, calendar: Calendar, place: Place): Set<number> {
  return new Set(calendar.hours.filter(({ index }) => isActive(map, place, index)).map(({ hour }) => hour));
}

function isActive(map: ForceMap, place: Place, hour: number): boolean {
  return place.scope !== 'pool' || map.poolsAt(hour).includes(place.index);
}

function sameHoursBefore(map: ForceMap, calendar: Calendar, place: Place, observed: (number | null)[]): Series['before'] {
  const wall = wallClockOf(map.force.time_zone);
  const byWall = new Map<string, number>();
  map.recent.starting.forEach((starting, index) => {
    const { date, hour } = wall(starting);
    byWall.set(`${date} ${hour}`, index);
  });
  return calendar.hours.flatMap(({ index, date, hour }) =>
    (isActive(map, place, index) ? [7, 14] : []).flatMap((days) => {
      const found = byWall.get(`${shiftDate(date, -days)} ${hour}`);
      const incidents = found === undefined ? null : observed[found];
      return incidents === null || incidents === undefined ? [] : [{ hour: index + 0.5, incidents }];
    }),
  );
}

function coverAt(map: ForceMap, place: Place, hour: number): Cover {
  if (place.scope === 'force') return forceCoverAt(map, place, hour);
  const pool = place.scope === 'pool' ? place.index : map.poolCovering(place.index, hour);
  const number = (name: string) => (pool === null ? null : map.number('pool', name, pool, hour));
  const [required, onDuty] = [number('units_required'), number('units_on_duty')];
  const [low, high] = [number('units_gap_p10'), number('units_gap_p90')];
  const isShort = required !== null && onDuty !== null && onDuty < required;
  return {
    hour,
    required,
    onDuty,
    // The range of the gap, seen from the units on duty, is the range of the requirement.
    low: onDuty !== null && high !== null ? Math.max(0, onDuty - high) : null,
    high: onDuty !== null && low !== null ? onDuty - low : null,
    shortFrom: isShort ? onDuty : null,
    shortTo: isShort ? required : null,
  };
}

/** For the whole force: missing units of the short pools added up, spare units elsewhere not counted against them. */
function forceCoverAt(map: ForceMap, place: Place, hour: number): Cover {
  const blank = { hour, required: null, onDuty: null, low: null, high: null, shortFrom: null, shortTo: null };
  const pools = map.poolsOf(place, hour);
  if (!map.run.has_duties) return { ...blank, required: pools.reduce((sum, pool) => sum + (map.number('pool', 'units_required', pool, hour) ?? 0), 0) };
  const short = pools.reduce((sum, pool) => sum + Math.max(0, -(map.number('pool', 'units_gap', pool, hour) ?? 0)), 0);
  return { ...blank, shortFrom: 0, shortTo: short };
}

/** The hours that a span shows round a chosen hour, and the days to name along its foot. */
export function spanOf(map: ForceMap, calendar: Calendar, hour: number, span: Span): { from: number; to: number; ticks: { hour: number; text: string }[] } {
  const seenFrom = -map.recent.starting.length;
  const end = calendar.hours.length;
  const week = calendar.weeks[calendar.weekIndex(hour)];
  const day = calendar.days[calendar.dayIndex(hour)];
  const dayFrom = day?.hours[0]?.index ?? 0;
  const dayTo = (day?.hours.at(-1)?.index ?? 0) + 1;
  const [from, to] =
    span === 'all' ? [seenFrom, end] : span === 'week' ? [Math.max(seenFrom, (week?.first ?? 0) - 48), (week?.last ?? end - 1) + 1] : [Math.max(seenFrom, dayFrom - 24), Math.min(end, dayTo + 24)];
  const starts = [
    ...datesSeen(map).map((date, index) => ({ index: index + seenFrom, date })),
    ...calendar.hours.map(({ index, date }) => ({ index, date })),
  ];
  const ticks: { hour: number; text: string }[] = [];
  let last = starts[0]?.date;
  for (const { index, date } of starts) {
    if (date === last) continue;
    last = date;
    if (index < from || index >= to) continue;
    if (span === 'all' && weekdayOf(date) !== 'Mon') continue;
    ticks.push({ hour: index, text: span === 'week' ? shortDate(date).split(' ').slice(0, 2).join(' ') : shortDate(date) });
  }
  return { from, to, ticks };
}

const datesKept = new WeakMap<ForceMap, string[]>();

/** The local dates of the hours before the run: worked out once, because browsers take long over time zones. */
function datesSeen(map: ForceMap): string[] {
  const known = datesKept.get(map);
  if (known) return known;
  const wall = wallClockOf(map.force.time_zone);
  const dates = map.recent.starting.map((starting) => wall(starting).date);
  datesKept.set(map, dates);
  return dates;
}

/** Where Vega has put the two plots, which depends on the room that titles and labels take. */
function plotsOf(view: VegaView): { y: number; height: number }[] {
  type Group = { marktype?: string; y?: number; height?: number; items?: Group[] };
  const root = (view.scenegraph() as unknown as { root: Group }).root.items?.[0];
  return (root?.items ?? []).filter(({ marktype }) => marktype === 'group').flatMap(({ items }) => (items?.[0] ? [{ y: items[0].y ?? 0, height: items[0].height ?? 0 }] : []));
}

export class PlaceChart {
  private view: VegaView | null = null;
  private starting: Promise<void> | null = null;
  private drawnFor: Place | null = null;
  private span: Span = 'days';
  private drawnAs = '';
  private readonly container = byId('chart');
  private readonly canvas = make('div', { class: 'chart-view' });
  /** The chosen hour is marked by an element over the drawing: moving it needs no new drawing. */
  private readonly marks = [make('div', { class: 'chart-mark' }), make('div', { class: 'chart-mark' })];

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    private readonly chooseHour: (hour: number) => void,
    private readonly again: () => void,
  ) {
    const labels: [Span, string][] = [
      ['days', '3 days'],
      ['week', 'Week'],
      ['all', '4 weeks'],
    ];
    for (const [span, label] of labels) {
      const button = make('button', { type: 'button', 'aria-pressed': String(span === this.span) }, label);
      button.addEventListener('click', () => {
        this.span = span;
        for (const other of byId('chart-spans').querySelectorAll('button')) other.setAttribute('aria-pressed', String(other === button));
        this.again();
      });
      byId('chart-spans').append(button);
    }
    this.container.append(this.canvas, ...this.marks);
    new ResizeObserver(() => this.resize()).observe(this.container);
  }

  /** Moves the mark, at once. Returns true if the hour is not in the drawing, which must then be made again. */
  setHour(place: Place, hour: number): boolean {
    this.describe(place, hour);
    const { from, to } = spanOf(this.map, this.calendar, hour, this.span);
    if (!this.view || this.drawnAs !== this.nameOf(place, from, to)) return true;
    this.placeMark(hour);
    return false;
  }

  async draw(place: Place, hour: number, theme: Theme): Promise<void> {
    this.describe(place, hour);
    if (!this.view) {
      this.starting ??= import('./chart-runtime').then(async ({ startChart }) => {
        this.view = await startChart(this.canvas);
        this.container.addEventListener('click', (event) => this.click(event));
      });
      await this.starting;
    }
    const view = this.view;
    if (!view) return;
    const { from, to, ticks } = spanOf(this.map, this.calendar, hour, this.span);
    if (this.drawnAs !== this.nameOf(place, from, to)) {
      view.signal('from', from).signal('to', to);
      view.signal('tickHours', ticks.map((tick) => tick.hour)).signal('tickText', ticks.map(({ text }) => text));
      view.signal('demandTitle', this.hasDemand(place) ? 'Incidents an hour' : 'No incidents are forecast for this pool').signal('demandTop', this.hasDemand(place) ? null : 1).signal('coverTitle', this.coverTitle(place));
    }
    if (this.drawnFor !== place) {
      const series = chartSeries(this.map, this.calendar, place);
      view.data('expected', series.expected).data('seen', series.seen).data('before', series.before).data('cover', series.cover);
      view.data('begins', [{ hour: 0 }]);
      this.drawnFor = place;
    }
    this.paint(view, theme);
    this.fit(view);
    this.drawnAs = this.nameOf(place, from, to);
    await view.resize().runAsync();
    this.placeMark(hour);
  }

  private nameOf(place: Place, from: number, to: number): string {
    return `${place.scope}/${place.index}/${place.allRoles ?? false}/${from}/${to}`;
  }

  private placeMark(hour: number): void {
    const view = this.view;
    if (!view) return;
    const along = view.scale('x') as (hour: number) => number;
    const [left, right] = [along(hour), along(hour + 1)];
    const [originX = 0, originY = 0] = view.origin();
    const plots = plotsOf(view);
    this.marks.forEach((mark, at) => {
      const plot = plots[at];
      if (!plot) return;
      mark.style.left = `${originX + left}px`;
      mark.style.width = `${Math.max(2, right - left)}px`;
      mark.style.top = `${originY + plot.y}px`;
      mark.style.height = `${plot.height}px`;
    });
  }

  private hasDemand(place: Place): boolean {
    return place.scope !== 'pool' || this.map.coversAreas(place.index);
  }

  private coverTitle(place: Place): string {
    if (place.scope === 'force') return this.map.run.has_duties ? 'Units short, added over the short pools' : 'Units required, all pools';
    return place.scope === 'area' ? 'Units of the pool that covers it' : 'Units of this pool';
  }

  private paint(view: VegaView, theme: Theme): void {
    const colours: Record<string, string> = {
      ink: theme.ink,
      muted: theme.muted,
      gridColour: theme.rule,
      demandColour: theme.series,
      seenColour: theme.ink,
      requiredColour: theme.ink,
      dutyColour: theme.accent,
      shortColour: theme.short,
    };
    for (const [name, value] of Object.entries(colours)) view.signal(name, value);
  }

  private fit(view: VegaView): void {
    // 34 pixels stand left of the plot for the value axis, 8 right of it.
    view.width(Math.max(120, this.container.clientWidth - 44));
  }

  private resize(): void {
    if (!this.view || this.container.clientWidth === 0) return;
    this.again();
  }

  private click(event: MouseEvent): void {
    const view = this.view;
    const canvas = this.canvas.querySelector('canvas');
    if (!view || !canvas) return;
    const scale = view.scale('x') as { invert: (x: number) => number };
    const hour = Math.floor(scale.invert(event.clientX - canvas.getBoundingClientRect().left - (view.origin()[0] ?? 0)));
    if (hour >= 0 && hour < this.calendar.hours.length) this.chooseHour(hour);
  }

  private describe(place: Place, hour: number): void {
    const number = (name: string) => this.map.number(place.scope, name, place.index, hour);
    const [mean, low, high] = [number('incidents_mean'), number('incidents_p10'), number('incidents_p90')];
    const cover = coverAt(this.map, place, hour);
    const words = [`${this.map.nameOf(place)}, ${this.calendar.longHourLabel(hour)}.`];
    if (mean !== null) words.push(`Expected incidents ${plain(mean)}${low !== null && high !== null ? `, four times in five between ${range(plain(low), plain(high))}` : ''}.`);
    if (cover.required !== null) words.push(`Required ${count(cover.required, 'unit')}${cover.onDuty !== null ? `, on duty ${cover.onDuty}` : ''}.`);
    setText(byId('chart-words'), words.join(' '));
    this.writeKey(place);
  }

  private writeKey(place: Place): void {
    const key = byId('chart-key');
    const entries: [string, string][] = [];
    if (this.hasDemand(place)) entries.push(['band', 'expected, with 50, 80 and 95% bands'], ['seen', 'seen'], ['before', 'same hour 1 and 2 weeks before']);
    if (place.scope !== 'force') {
      entries.push(['required', this.map.run.has_duties ? 'required, with 80% range' : 'required']);
      if (this.map.run.has_duties) entries.push(['duty', 'on duty'], ['short', 'short']);
    } else entries.push(this.map.run.has_duties ? ['short', 'units short'] : ['required', 'required']);
    const name = entries.map(([kind]) => kind).join();
    if (key.dataset['entries'] === name) return;
    key.dataset['entries'] = name;
    key.replaceChildren(...entries.map(([kind, label]) => make('li', {}, make('span', { class: `key key-${kind}`, 'aria-hidden': 'true' }), label)));
  }
}
