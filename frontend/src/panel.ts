/** The figures of the chosen place at the chosen hour, each with its exact value beside what is read. */

import { type ForceMap, type Place, type Scope, WHOLE_FORCE } from './decode';
import { byId, make, setText } from './dom';
import type { Calendar } from './periods';
import { asWritten, count, methodName, percent, percentRange, range, roleName, shortNames, signed, valueOf, VIEWS } from './wording';

type Write = (value: number) => string;

/** Incidents of the days before that are kept apart from demand, by origin: of an area, or of the whole force. */
function apartAt(map: ForceMap, place: Place): [string, number][] {
  if (place.scope === 'pool') return [];
  return Object.entries(map.recent.apart)
    .map(([origin, byArea]): [string, number] => [origin, place.scope === 'area' ? (byArea[place.index] ?? 0) : byArea.reduce((sum, each) => sum + each, 0)])
    .filter(([, incidents]) => incidents > 0);
}

/** What a validation found, in words; see docs/explanation on it. */
const VERDICTS: Record<string, string> = {
  trusted: 'simulation held true here',
  in_part: 'simulation held true for some grades',
  delays_only: 'delays held true; who was free is not recorded',
  not_trusted: 'simulation was not true here',
  untold: 'too few incidents to hold it true',
  none: 'not held against recorded weeks yet',
};

export class Panel {
  private readonly figures = byId('place-figures');
  private readonly more = byId('place-more');

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    private readonly choose: (place: Place) => void,
  ) {}

  draw(place: Place, hour: number): void {
    this.drawCrumbs(place, hour);
    setText(byId('place-name'), this.map.nameOf(place));
    setText(byId('place-hour'), this.calendar.longHourLabel(hour));
    const [above, below] = place.scope === 'force' ? this.drawForce(place, hour) : place.scope === 'pool' ? this.drawPool(place.index, hour) : this.drawArea(place.index, hour);
    const focused = nameOfFocus(this.figures);
    this.figures.replaceChildren(...above);
    this.more.replaceChildren(...below);
    restoreFocus(this.figures, focused);
  }

  private drawCrumbs(place: Place, hour: number): void {
    const crumb = (to: Place, name: string) => {
      const button = make('button', { type: 'button', class: 'link' }, name);
      button.addEventListener('click', () => this.choose(to));
      return button;
    };
    const items: Node[] = [];
    if (place.scope !== 'force') items.push(crumb(WHOLE_FORCE, 'Whole force'));
    if (place.scope === 'area') {
      const pool = this.map.poolCovering(place.index, hour);
      if (pool !== null) items.push(crumb({ scope: 'pool', index: pool }, this.map.pools.name[pool] ?? ''));
    }
    // Redrawing on every hour would throw the focus away from a crumb that is being used.
    const name = `${place.scope}/${place.index}/${items.map((item) => item.textContent).join('/')}`;
    const crumbs = byId('crumbs');
    if (crumbs.dataset['shown'] === name) return;
    crumbs.dataset['shown'] = name;
    crumbs.replaceChildren(...items);
  }

  /** What is read first stands above the chart, the rest below it. */
  private drawArea(area: number, hour: number): [Node[], Node[]] {
    const place: Place = { scope: 'area', index: area };
    const { district, kind } = this.map.areas;
    const pool = this.map.poolCovering(area, hour);
    const facts = [district[area], kind[area] === 'all' ? '' : kind[area], `area ${this.map.areas.id[area]}`].filter(Boolean).join(' · ');
    const above = [make('p', { class: 'place-facts' }, facts, ...this.areaLink(area, hour)), this.demandTiles(place, hour)];
    const below = [make('h3', {}, 'Demand in this area, this hour'), this.demandList(place, hour)];
    if (pool === null) return [[...above, make('p', { class: 'place-facts' }, 'No pool covers this area at this hour.')], below];
    const link = make('button', { type: 'button', class: 'link' }, this.map.pools.name[pool] ?? '');
    link.addEventListener('click', () => this.choose({ scope: 'pool', index: pool }));
    const areas = this.map.areasOfPool(pool, hour).length;
    above.push(
      make('h3', {}, 'Cover: ', link),
      make('p', { class: 'place-facts' }, `The whole pool’s figures, not this area’s: it covers ${count(areas, 'area')} at this hour.`),
      this.coverTiles(pool, hour),
    );
    below.push(make('h3', {}, `Cover by ${this.map.pools.name[pool] ?? ''}, the whole pool`), this.coverList(pool, hour, true));
    return [above, below];
  }

  /** The way to the area's own page, in the week of the hour shown; a map sent as a file has none. */
  private areaLink(area: number, hour: number): Node[] {
    if (this.map.links['tables'] === undefined) return [];
    const from = this.calendar.weeks[this.calendar.weekIndex(hour)]?.days[0]?.date ?? '';
    const address = `/areas/${encodeURIComponent(this.map.areas.id[area] ?? '')}?${new URLSearchParams({ run: this.map.run.run_id, from })}`;
    return [document.createTextNode(' · '), make('a', { href: address, id: 'area-link' }, 'its own page')];
  }

  private drawPool(pool: number, hour: number): [(Node | string)[], (Node | string)[]] {
    const place: Place = { scope: 'pool', index: pool };
    const areas = this.map.areasOfPool(pool, hour);
    if (!this.map.coversAreas(pool)) {
      const active = this.map.allPoolsAt(hour).includes(pool);
      const words = `${roleName(this.map.pools.role[pool] ?? '')} · pool ${this.map.pools.id[pool]} · covers no areas of its own, so it is not on the map`;
      return active ? [[make('p', { class: 'place-facts' }, words), this.coverTiles(pool, hour)], [make('h3', {}, 'Cover, this hour'), this.coverList(pool, hour, true)]] : [[make('p', { class: 'place-facts' }, words), make('p', { class: 'place-facts' }, 'It has no requirement at this hour.')], []];
    }
    if (areas.length === 0) {
      return [[make('p', { class: 'place-facts' }, 'This pool is not on duty at this hour: other pools cover its areas. The grid and the slider show when it is.')], []];
    }
    const facts = `covers ${count(areas.length, 'area')} at this hour · ${roleName(this.map.pools.role[pool] ?? '')} · pool ${this.map.pools.id[pool]}`;
    return [
      [make('p', { class: 'place-facts' }, facts), this.coverTiles(pool, hour), this.demandTiles(place, hour)],
      [make('h3', {}, 'Cover, this hour'), this.coverList(pool, hour, false), this.tryLink(place, hour), make('h3', {}, 'Demand in its areas, this hour'), this.demandList(place, hour)],
    ];
  }

  private drawForce(place: Place, hour: number): [(Node | string)[], (Node | string)[]] {
    const pools = this.map.poolsOf(place, hour);
    const short = pools.filter((pool) => (this.map.number('pool', 'units_gap', pool, hour) ?? 0) < 0);
    const words = this.map.run.has_duties
      ? short.length === 0
        ? `No pool of ${pools.length} is short at this hour.`
        : `${short.length} of ${count(pools.length, 'pool')} ${short.length === 1 ? 'is' : 'are'} short at this hour, by ${count(this.officersShort(short, hour), 'officer')}.`
      : 'No duties were given: the units required are shown, not what is missing.';
    return [
      [make('p', { class: 'place-facts' }, words), this.poolTable(pools, hour), this.demandTiles(WHOLE_FORCE, hour)],
      [make('h3', {}, 'Cover, this hour'), this.forceCover(pools, hour), this.tryLink(WHOLE_FORCE, hour), make('h3', {}, 'Demand in the whole force, this hour'), this.demandList(WHOLE_FORCE, hour)],
    ];
  }

  /** The way to the page on which a change is tried, at this hour; a week is shown there, and more where the hour lies later. */
  private tryLink(place: Place, hour: number): HTMLElement | string {
    if (this.map.backlogAddress === null) return '';
    const at = new Date((this.map.hours.starting[hour] ?? 0) * 1000).toISOString().replace(':00.000Z', 'Z');
    const asked = new URLSearchParams({ run: this.map.run.run_id, at, ...(place.scope === 'pool' ? { pool: this.map.idOf(place) } : {}), ...(hour >= 166 ? { days: '14' } : {}) });
    return make('p', { class: 'place-facts' }, make('a', { href: `/what-if?${asked}` }, 'Try a change at this hour'));
  }

  /** Officers that the short pools lack together: spare ones elsewhere are no help to them. */
  private officersShort(short: number[], hour: number): number {
    return short.reduce((sum, pool) => sum + Math.max(-(this.map.number('pool', 'officers_gap', pool, hour) ?? 0), 0), 0);
  }

  private forceCover(pools: number[], hour: number): HTMLElement {
    const list = make('dl', { class: 'figures' });
    const atMinimum = pools.filter((pool) => this.map.exact('pool', 'binds', pool, hour) === 'minimum').length;
    const words = atMinimum === 0 ? 'demand' : atMinimum === pools.length ? 'the minimum' : `demand; the minimum in ${atMinimum} of ${count(pools.length, 'pool')}`;
    this.row(list, 'Requirement set by', [make('span', {}, words)]);
    this.row(list, 'Rung of the ladder', [make('span', {}, methodName(this.map.run.staffing_method))], this.verdict());
    this.waitingRow(list, WHOLE_FORCE, hour);
    return list;
  }

  /** Jobs to which nobody has been sent when the hour begins, by simulation; nothing where there is none. */
  private waiting(place: Place, hour: number): HTMLElement | null {
    const runs = this.map.backlogRuns;
    if (runs === null) return null;
    if (runs === undefined) return make('span', { title: 'It is being simulated' }, '…');
    const found = this.map.waitingAt(place, hour);
    if (found === null) return make('span', {}, '–');
    const from = this.map.isLive(hour) ? ', from what is open now' : ` of ${runs} simulated runs`;
    const title = `Jobs to which nobody has been sent when the hour begins, the mean${from}: ${found.exact}`;
    return make('span', { 'data-waiting': found.exact, 'data-place': this.map.idOf(place), 'data-start': this.map.hours.starting[hour] ?? '', title }, asWritten(2)(found.mean));
  }

  private waitingRow(list: HTMLElement, place: Place, hour: number): void {
    const [found, then] = [this.map.waitingAt(place, hour), this.map.waitingAt(place, hour + 1)];
    this.row(list, 'Backlog: jobs waiting as the hour begins', [this.waiting(place, hour)], found && make('span', { title: 'What the simulated runs leave open' }, range(asWritten(2)(found.low), asWritten(2)(found.high))));
    if (then) this.row(list, 'Backlog as it ends', [this.waiting(place, hour + 1)]);
    for (const { grade, share } of this.map.lateNow(place, hour)) {
      this.row(list, `Grade ${grade} calls late, from what is open now`, [make('span', { 'data-late-now': share.toFixed(4), 'data-grade': grade, 'data-place': this.map.idOf(place) }, percent(share))]);
    }
  }

  private poolTable(pools: number[], hour: number): HTMLElement {
    const duties = this.map.run.has_duties;
    // Names that share their first words give them to the heading.
    const { names, shared } = shortNames(pools.map((pool) => this.map.pools.name[pool] ?? ''));
    const nameOf = new Map(pools.map((pool, at) => [pool, names[at] ?? '']));
    const head = make('tr', {}, make('th', { scope: 'col' }, shared === '' ? 'Pool' : shared.replace(/^./, (letter) => letter.toUpperCase())), make('th', { scope: 'col', class: 'number' }, 'Re\u00adquired'));
    if (duties) head.append(make('th', { scope: 'col', class: 'number' }, 'On duty'), make('th', { scope: 'col', class: 'number' }, 'Gap'));
    const hasLateness = this.map.figure('pool', 'chance_late') !== null;
    if (hasLateness) head.append(make('th', { scope: 'col', class: 'number' }, 'Late'));
    const hasBacklog = this.map.backlogRuns !== null;
    if (hasBacklog) head.append(make('th', { scope: 'col', class: 'number', title: 'Jobs to which nobody has been sent when the hour begins' }, 'Wait\u00ading'));
    const rows = [...pools]
      .sort((a, b) => (this.map.number('pool', 'units_gap', a, hour) ?? 0) - (this.map.number('pool', 'units_gap', b, hour) ?? 0))
      .map((pool) => {
        const place: Place = { scope: 'pool', index: pool };
        const name = make('button', { type: 'button', class: 'link', title: this.map.pools.name[pool] ?? '' }, nameOf.get(pool) ?? '');
        name.addEventListener('click', () => this.choose(place));
        const row = make('tr', {}, make('th', { scope: 'row' }, name), make('td', { class: 'number' }, this.value(place, 'units_required', hour)));
        if (duties) {
          const gap = this.map.number('pool', 'units_gap', pool, hour);
          row.append(
            make('td', { class: 'number' }, this.value(place, 'units_on_duty', hour)),
            make('td', { class: gap !== null && gap < 0 ? 'number is-short' : 'number' }, this.value(place, 'units_gap', hour, signed)),
          );
        }
        if (hasLateness) row.append(make('td', { class: 'number' }, this.value(place, 'chance_late', hour, percent)));
        if (hasBacklog) row.append(make('td', { class: 'number' }, this.waiting(place, hour)));
        return row;
      });
    return make('table', { class: 'pool-table' }, make('caption', { class: 'visually-hidden' }, 'Pools at this hour, the shortest of staff first'), make('thead', {}, head), make('tbody', {}, ...rows));
  }

  private tile(label: string, value: Node, below?: (Node | string | null)[]): HTMLElement {
    const under = below && below.every((part) => part !== null) ? make('dd', { class: 'tile-range' }, ...below) : null;
    return make('div', { class: 'tile' }, make('dt', {}, label), make('dd', {}, value), under);
  }

  private coverTiles(pool: number, hour: number): HTMLElement {
    const place: Place = { scope: 'pool', index: pool };
    const tiles = make('dl', { class: 'tiles' }, this.tile('Units required', this.value(place, 'units_required', hour)));
    if (this.map.run.has_duties) {
      const gap = this.map.number('pool', 'units_gap', pool, hour);
      const tile = this.tile('Gap', this.value(place, 'units_gap', hour, signed), [this.span(place, 'units_gap_p10', 'units_gap_p90', hour, signed)]);
      if (gap !== null && gap < 0) tile.classList.add('is-short');
      tiles.append(this.tile('On duty', this.value(place, 'units_on_duty', hour)), tile);
    }
    return tiles;
  }

  private coverList(pool: number, hour: number, withLateness: boolean): HTMLElement {
    const place: Place = { scope: 'pool', index: pool };
    const list = make('dl', { class: 'figures' });
    const binds = this.map.exact('pool', 'binds', pool, hour);
    if (binds !== null) {
      const grade = this.map.exact('pool', 'binding_grade', pool, hour);
      const words = make('span', { ...this.address(place, 'binds', hour), 'data-value': binds }, binds === 'minimum' ? 'the minimum' : binds);
      this.row(list, 'Requirement set by', [words], grade === null ? undefined : make('span', {}, 'grade ', make('span', { ...this.address(place, 'binding_grade', hour), 'data-value': grade }, grade)));
    }
    this.row(list, 'Rung of the ladder', [make('span', {}, methodName(this.map.run.staffing_method))], this.verdict());
    this.row(list, 'Officers required, net', [this.value(place, 'officers_required', hour)]);
    this.row(list, 'Officers required, gross', [this.value(place, 'officers_required_gross', hour)]);
    if (this.map.run.has_duties) {
      this.row(list, 'Officers on duty', [this.value(place, 'officers_on_duty', hour)]);
      this.row(list, 'Officers: on duty minus required', [this.value(place, 'officers_gap', hour, (value) => signed(value, Number.isInteger(value) ? 0 : 1))]);
    }
    this.waitingRow(list, place, hour);
    if (withLateness && this.map.figure('pool', 'chance_late')) this.row(list, 'Chance that a call is late, in the pool', [this.value(place, 'chance_late', hour, percent)], this.lateRange(place, hour));
    return list;
  }

  /** How far officer models were found right here, where the page is served. */
  private verdict(): HTMLElement | null {
    const held = this.map.validation;
    return held && make('a', { href: held.address }, VERDICTS[held.verdict] ?? held.verdict);
  }

  private demandTiles(place: Place, hour: number): HTMLElement {
    // Without duties a run has no lateness, and nothing is said of it.
    const has = (figure: string) => this.map.figure(place.scope, figure) !== null;
    return make(
      'dl',
      { class: 'tiles' },
      this.tile('Incidents', this.value(place, 'incidents_mean', hour), ['80%: ', this.span(place, 'incidents_p10', 'incidents_p90', hour)]),
      has('chance_late') && this.tile('A call is late', this.value(place, 'chance_late', hour, percent), [this.lateRange(place, hour)]),
      has('expected_delay_minutes') ? this.delayTile(place, hour) : this.tile('Officer-hours', this.value(place, 'officer_hours_mean', hour), ['80%: ', this.span(place, 'officer_hours_p10', 'officer_hours_p90', hour)]),
    );
  }

  private demandList(place: Place, hour: number): HTMLElement {
    const list = make('dl', { class: 'figures' });
    this.row(list, 'Incidents, median', [this.value(place, 'incidents_p50', hour)]);
    this.row(list, 'Incidents, one time in two', [this.span(place, 'incidents_p25', 'incidents_p75', hour)]);
    this.row(list, 'Incidents, 19 times in 20', [this.span(place, 'incidents_p025', 'incidents_p975', hour)]);
    // Where every call is worked in one stream, there is nothing to tell apart.
    const streams = (['immediate', 'deferrable', 'scheduled'] as const).filter((stream) => (this.map.number(place.scope, `${stream}_mean`, place.index, hour) ?? 0) > 0);
    if (streams.length > 1) for (const stream of streams) this.row(list, `Of them ${stream}`, [this.value(place, `${stream}_mean`, hour)]);
    this.row(list, 'Officer-hours', [this.value(place, 'officer_hours_mean', hour)]);
    this.row(list, 'Officer-hours, 8 times in 10', [this.span(place, 'officer_hours_p10', 'officer_hours_p90', hour)]);
    if (streams.length > 1 && this.map.figure(place.scope, 'chance_late_immediate')) this.row(list, 'Chance that an immediate call is late', [this.value(place, 'chance_late_immediate', hour, percent)]);
    if (this.map.figure(place.scope, 'chance_any_late')) this.row(list, 'Chance of at least one late call', [this.value(place, 'chance_any_late', hour, percent)]);
    for (const [origin, incidents] of apartAt(this.map, place)) this.row(list, `Kept apart, 14 days before: ${origin.replaceAll('_', '-')}`, [make('span', {}, count(incidents, 'incident'))]);
    return list;
  }

  private delayTile(place: Place, hour: number): HTMLElement {
    const shown = this.value(place, 'expected_delay_minutes', hour);
    if (valueOf(this.map, VIEWS.delay, place, hour) !== Infinity) return this.tile('Delay, most urgent', shown, ['minutes']);
    setText(shown, '∞');
    shown.title = 'More calls come in than can be answered, so the queue grows for as long as this lasts.';
    return this.tile('Delay, most urgent', shown, ['without bound']);
  }

  private lateRange(place: Place, hour: number): HTMLElement | null {
    return this.span(place, 'chance_late_p10', 'chance_late_p90', hour, percent, percentRange);
  }

  private row(list: HTMLElement, label: string, values: (Node | null)[], between?: Node | null, kind?: string): void {
    const shown = values.filter((value): value is Node => value !== null);
    if (shown.length === 0) return;
    list.append(make('div', { class: kind ?? null }, make('dt', {}, label), make('dd', {}, ...shown), between ? make('dd', { class: 'range' }, between) : null));
  }

  /** One figure: what is read, and the exact value for whoever compares it with the table. */
  private value(place: Place, figure: string, hour: number, write: Write = this.usual(place, figure)): HTMLElement {
    const exact = this.map.exact(place.scope, figure, place.index, hour);
    const value = this.map.number(place.scope, figure, place.index, hour);
    const described = this.map.figure(place.scope, figure);
    const title = described && exact !== null ? `${described.title}: ${exact} ${described.unit}` : null;
    return make('span', { ...this.address(place, figure, hour), 'data-value': exact ?? '', title }, value === null ? '–' : write(value));
  }

  private span(place: Place, low: string, high: string, hour: number, write: Write = this.usual(place, low), join?: (low: number, high: number) => string): HTMLElement | null {
    const [from, to] = [this.map.number(place.scope, low, place.index, hour), this.map.number(place.scope, high, place.index, hour)];
    if (from === null || to === null) return null;
    const joined = join ? join(from, to) : range(write(from), write(to));
    const middle = joined.includes(' to ') ? ' to ' : '–';
    const cut = joined.indexOf(middle, 1);
    return make(
      'span',
      {},
      make('span', { ...this.address(place, low, hour), 'data-value': this.map.exact(place.scope, low, place.index, hour) }, joined.slice(0, cut)),
      middle,
      make('span', { ...this.address(place, high, hour), 'data-value': this.map.exact(place.scope, high, place.index, hour) }, joined.slice(cut + middle.length)),
    );
  }

  private usual(place: Place, figure: string): Write {
    return asWritten(this.map.figure(place.scope, figure)?.decimals ?? 0);
  }

  private address(place: Place, figure: string, hour: number): Record<string, string> {
    return addressOf(this.map, place, figure, hour);
  }
}

/** The attributes that say which figure an element shows, the same in the panel and in the table. */
export function addressOf(map: ForceMap, place: Place, figure: string, hour: number): Record<string, string> {
  const scope: Scope = place.scope;
  return { 'data-scope': scope, 'data-place': map.idOf(place), 'data-figure': figure, 'data-hour': new Date((map.hours.starting[hour] ?? 0) * 1000).toISOString().replace('.000Z', 'Z') };
}

/** Figures are written anew every hour; a link among them that has the focus must keep it. */
function nameOfFocus(within: HTMLElement): string | null {
  const focused = document.activeElement;
  return focused instanceof HTMLElement && within.contains(focused) ? focused.textContent : null;
}

function restoreFocus(within: HTMLElement, name: string | null): void {
  if (name === null) return;
  [...within.querySelectorAll('button')].find(({ textContent }) => textContent === name)?.focus({ preventScroll: true });
}
