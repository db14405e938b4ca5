/** The figures of the chosen place at the chosen hour, each with its exact value beside what is read. */

import { type ForceMap, type Place, type Scope, WHOLE_FORCE } from './decode';
import { byId, make, setText } from './dom';
import type { Calendar } from './periods';
import { count, percent, percentRange, plain, range, signed } from './wording';

type Write = (value: number) => string;

export class Panel {
  private readonly figures = byId('place-figures');

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    private readonly choose: (place: Place) => void,
  ) {}

  draw(place: Place, hour: number): void {
    this.drawCrumbs(place, hour);
    setText(byId('place-name'), this.map.nameOf(place));
    setText(byId('place-hour'), this.calendar.longHourLabel(hour));
    const sections = place.scope === 'force' ? this.forceSections(hour) : place.scope === 'pool' ? this.poolSections(place.index, hour) : this.areaSections(place.index, hour);
    this.figures.replaceChildren(...sections);
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

  private areaSections(area: number, hour: number): Node[] {
    const place: Place = { scope: 'area', index: area };
    const { district, kind } = this.map.areas;
    const pool = this.map.poolCovering(area, hour);
    const facts = [district[area], kind[area] === 'all' ? '' : kind[area], `area ${this.map.areas.id[area]}`].filter(Boolean).join(' · ');
    const sections: Node[] = [make('p', { class: 'place-facts' }, facts), this.demandSection(place, hour, 'Demand in this area, this hour')];
    if (pool === null) {
      sections.push(make('p', { class: 'place-facts' }, 'No pool covers this area at this hour.'));
      return sections;
    }
    const link = make('button', { type: 'button', class: 'link' }, this.map.pools.name[pool] ?? '');
    link.addEventListener('click', () => this.choose({ scope: 'pool', index: pool }));
    const areas = this.map.areasOfPool(pool, hour).length;
    sections.push(
      make('h3', {}, 'Cover: ', link),
      make('p', { class: 'place-facts' }, `The figures below are the whole pool’s, not this area’s: it covers ${count(areas, 'area')} at this hour.`),
      ...this.coverFigures(pool, hour),
    );
    return sections;
  }

  private poolSections(pool: number, hour: number): Node[] {
    const place: Place = { scope: 'pool', index: pool };
    const areas = this.map.areasOfPool(pool, hour);
    if (areas.length === 0) {
      return [make('p', { class: 'place-facts' }, 'This pool is not on duty at this hour: other pools cover its areas. The grid and the slider show when it is.')];
    }
    return [
      make('p', { class: 'place-facts' }, `Covers ${count(areas.length, 'area')} at this hour · ${this.map.pools.role[pool] ?? ''} · pool ${this.map.pools.id[pool]}`),
      make('h3', {}, 'Cover'),
      ...this.coverFigures(pool, hour),
      this.demandSection(place, hour, 'Demand in these areas, this hour'),
    ];
  }

  private forceSections(hour: number): Node[] {
    const pools = this.map.poolsAt(hour);
    const short = pools.filter((pool) => (this.map.number('pool', 'units_gap', pool, hour) ?? 0) < 0);
    const words = this.map.run.has_duties
      ? short.length === 0
        ? `No pool of ${pools.length} is short at this hour.`
        : `${short.length} of ${count(pools.length, 'pool')} ${short.length === 1 ? 'is' : 'are'} short at this hour.`
      : 'No duties were given: the units required are shown, not what is missing.';
    return [make('p', { class: 'place-facts' }, words), this.poolTable(pools, hour), this.demandSection(WHOLE_FORCE, hour, 'Demand in the whole force, this hour')];
  }

  private poolTable(pools: number[], hour: number): HTMLElement {
    const duties = this.map.run.has_duties;
    const head = make('tr', {}, make('th', { scope: 'col' }, 'Pool'), make('th', { scope: 'col', class: 'number' }, 'Required'));
    if (duties) head.append(make('th', { scope: 'col', class: 'number' }, 'On duty'), make('th', { scope: 'col', class: 'number' }, 'Gap'));
    head.append(make('th', { scope: 'col', class: 'number' }, 'Late'));
    const rows = [...pools]
      .sort((a, b) => (this.map.number('pool', 'units_gap', a, hour) ?? 0) - (this.map.number('pool', 'units_gap', b, hour) ?? 0))
      .map((pool) => {
        const place: Place = { scope: 'pool', index: pool };
        const name = make('button', { type: 'button', class: 'link' }, this.map.pools.name[pool] ?? '');
        name.addEventListener('click', () => this.choose(place));
        const row = make('tr', {}, make('th', { scope: 'row' }, name), make('td', { class: 'number' }, this.value(place, 'units_required', hour, plain)));
        if (duties) {
          const gap = this.map.number('pool', 'units_gap', pool, hour);
          row.append(
            make('td', { class: 'number' }, this.value(place, 'units_on_duty', hour, plain)),
            make('td', { class: gap !== null && gap < 0 ? 'number is-short' : 'number' }, this.value(place, 'units_gap', hour, signed)),
          );
        }
        row.append(make('td', { class: 'number' }, this.value(place, 'chance_late', hour, percent)));
        return row;
      });
    return make('table', { class: 'pool-table' }, make('caption', { class: 'visually-hidden' }, 'Pools at this hour, the shortest of staff first'), make('thead', {}, head), make('tbody', {}, ...rows));
  }

  private coverFigures(pool: number, hour: number): Node[] {
    const place: Place = { scope: 'pool', index: pool };
    const gap = this.map.number('pool', 'units_gap', pool, hour);
    const tile = (label: string, ...values: Node[]) => make('div', { class: 'tile' }, make('dt', {}, label), ...values.map((value) => make('dd', {}, value)));
    const tiles = make('dl', { class: 'tiles' }, tile('Units required', this.value(place, 'units_required', hour, plain)));
    if (this.map.run.has_duties) {
      const gapTile = tile('Gap', this.value(place, 'units_gap', hour, signed));
      if (gap !== null && gap < 0) gapTile.classList.add('is-short');
      tiles.append(tile('On duty', this.value(place, 'units_on_duty', hour, plain)), gapTile);
      const between = this.span(place, 'units_gap_p10', 'units_gap_p90', hour, signed);
      if (between) gapTile.append(make('dd', { class: 'tile-range' }, between));
    }
    const list = make('dl', { class: 'figures' });
    if (this.map.run.has_duties) {
      this.row(list, 'Officers on duty', [this.value(place, 'officers_on_duty', hour, plain)]);
      this.row(list, 'Officers: gap', [this.value(place, 'officers_gap', hour, (value) => signed(value, 1))]);
    }
    this.row(list, 'Officers required, net', [this.value(place, 'officers_required', hour, plain)]);
    this.row(list, 'Officers required, gross', [this.value(place, 'officers_required_gross', hour, plain)]);
    const binds = this.map.exact('pool', 'binds', pool, hour);
    if (binds !== null) {
      const grade = this.map.exact('pool', 'binding_grade', pool, hour);
      const words = make('span', { ...this.address(place, 'binds', hour), 'data-value': binds }, binds === 'minimum' ? 'the minimum' : binds);
      this.row(list, 'Set by', [words], grade === null ? undefined : make('span', {}, 'grade ', make('span', { ...this.address(place, 'binding_grade', hour), 'data-value': grade }, grade)));
    }
    this.row(list, 'Chance that a call is late', [this.value(place, 'chance_late', hour, percent)], this.span(place, 'chance_late_p10', 'chance_late_p90', hour, percent, percentRange));
    return [tiles, list];
  }

  private demandSection(place: Place, hour: number, title: string): HTMLElement {
    const list = make('dl', { class: 'figures' });
    this.row(list, 'Expected incidents', [this.value(place, 'incidents_mean', hour, plain)]);
    for (const [label, low, high] of [
      ['50% range', 'incidents_p25', 'incidents_p75'],
      ['80% range', 'incidents_p10', 'incidents_p90'],
      ['95% range', 'incidents_p025', 'incidents_p975'],
    ] as const) {
      const between = this.span(place, low, high, hour, plain);
      if (between) this.row(list, label, [between], undefined, 'is-minor');
    }
    this.row(list, 'Expected officer-hours', [this.value(place, 'officer_hours_mean', hour, plain)]);
    if (place.scope !== 'pool') this.row(list, 'Chance that a call is late', [this.value(place, 'chance_late', hour, percent)], this.span(place, 'chance_late_p10', 'chance_late_p90', hour, percent, percentRange));
    this.row(list, 'Chance of at least one late call', [this.value(place, 'chance_any_late', hour, percent)]);
    this.row(list, 'Expected delay', [this.value(place, 'expected_delay_minutes', hour, (value) => `${plain(value)} min`)]);
    return make('div', { class: 'place-section' }, make('h3', {}, title), list);
  }

  private row(list: HTMLElement, label: string, values: (Node | null)[], between?: Node | null, kind?: string): void {
    const shown = values.filter((value): value is Node => value !== null);
    if (shown.length === 0) return;
    list.append(make('div', { class: kind ?? null }, make('dt', {}, label), make('dd', {}, ...shown), between ? make('dd', { class: 'range' }, between) : null));
  }

  /** One figure: what is read, and the exact value for whoever compares it with the table. */
  private value(place: Place, figure: string, hour: number, write: Write): HTMLElement {
    const exact = this.map.exact(place.scope, figure, place.index, hour);
    const value = this.map.number(place.scope, figure, place.index, hour);
    const described = this.map.figure(place.scope, figure);
    const title = described && exact !== null ? `${described.title}: ${exact} ${described.unit}` : null;
    return make('span', { ...this.address(place, figure, hour), 'data-value': exact ?? '', title }, value === null ? '–' : write(value));
  }

  private span(place: Place, low: string, high: string, hour: number, write: Write, join?: (low: number, high: number) => string): HTMLElement | null {
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

  private address(place: Place, figure: string, hour: number): Record<string, string> {
    return addressOf(this.map, place, figure, hour);
  }
}

/** The attributes that say which figure an element shows, the same in the panel and in the table. */
export function addressOf(map: ForceMap, place: Place, figure: string, hour: number): Record<string, string> {
  const scope: Scope = place.scope;
  return { 'data-scope': scope, 'data-place': map.idOf(place), 'data-figure': figure, 'data-hour': new Date((map.hours.starting[hour] ?? 0) * 1000).toISOString().replace('.000Z', 'Z') };
}
