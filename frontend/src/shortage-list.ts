/** The answer to "where and when are we short in the next week?", in words, before any click. */

import { type ForceMap, type Place } from './decode';
import { byId, make, setText } from './dom';
import type { Calendar } from './periods';
import { countHours, findBusiest, findShortages, type Run } from './shortages';
import { count, percent, percentRange, roleName } from './wording';

/** On a phone the map should not lie a whole list away. */
const FIRST_SHOWN = matchMedia('(max-width: 44rem)').matches ? 4 : 7;

export class ShortageList {
  private readonly onMap: Run[];
  private readonly everywhere: Run[];
  private readonly from: number;
  private readonly isAhead: boolean;
  private order: 'worst' | 'time' = 'worst';
  private all = false;
  private allRoles = false;
  private chosen = -1;

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    /** The hour in which we are, or null if the run does not hold it. */
    now: number | null,
    private readonly choose: (hour: number, place: Place) => void,
    private readonly chooseRoles: (allRoles: boolean) => void,
  ) {
    this.from = now ?? 0;
    this.isAhead = now !== null || Date.now() / 1000 < (map.hours.starting[0] ?? 0);
    const find = map.run.has_duties ? findShortages : findBusiest;
    const pools = map.pools.id.map((_, pool) => pool);
    this.onMap = find(map, pools.filter((pool) => map.coversAreas(pool)), this.from, this.to);
    this.everywhere = map.hasOtherRoles ? find(map, pools, this.from, this.to) : this.onMap;
    this.buildChoices();
    byId('shortages-more').addEventListener('click', () => {
      this.all = !this.all;
      this.draw();
    });
    this.draw();
  }

  /** Seven local days on: 167 or 169 hours over a clock change. */
  private get to(): number {
    return this.calendar.daysAfter(this.from, 7) ?? this.map.hourCount;
  }

  private get runs(): Run[] {
    return this.allRoles ? this.everywhere : this.onMap;
  }

  /** The hour and pool to open with: the worst of the coming week, where the map can show it. */
  get worst(): Run | null {
    return this.onMap[0] ?? this.everywhere[0] ?? null;
  }

  /** Follows the place: all roles are listed while the whole force with all its roles is shown. */
  setRoles(allRoles: boolean): void {
    if (this.allRoles === allRoles) return;
    this.allRoles = allRoles;
    this.draw();
  }

  /** Marks the runs that hold the hour shown. */
  setHour(hour: number): void {
    this.chosen = hour;
    for (const button of byId('shortages-list').querySelectorAll<HTMLElement>('[data-from]')) {
      const holds = Number(button.dataset['from']) <= hour && hour < Number(button.dataset['to']);
      if (holds) button.setAttribute('aria-current', 'time');
      else button.removeAttribute('aria-current');
    }
  }

  private buildChoices(): void {
    const { map } = this;
    const choice = (attributes: Record<string, string>, label: string, act: () => void) => {
      const button = make('button', { type: 'button', 'aria-pressed': 'false', ...attributes }, label);
      button.addEventListener('click', act);
      return button;
    };
    if (map.hasOtherRoles) {
      const role = map.roleOnMap;
      const name = role === null ? 'On the map' : roleName(role).replace(/^./, (letter) => letter.toUpperCase());
      const roles = (allRoles: boolean) => () => {
        this.setRoles(allRoles);
        this.chooseRoles(allRoles);
      };
      byId('shortages-roles').append(choice({ 'data-roles': 'map' }, `${name} (${this.onMap.length})`, roles(false)), choice({ 'data-roles': 'all' }, `All roles (${this.everywhere.length})`, roles(true)));
    }
    const order = (wanted: 'worst' | 'time') => () => {
      this.order = wanted;
      this.draw();
    };
    byId('shortages-order').append(choice({ 'data-order': 'worst' }, map.run.has_duties ? 'Worst first' : 'Most first', order('worst')), choice({ 'data-order': 'time' }, 'By time', order('time')));
    byId('shortages-roles').hidden = !map.hasOtherRoles;
  }

  private drawSummary(): void {
    const title = byId('shortages-title');
    const summary = byId('shortages-summary');
    const hours = this.to - this.from;
    const isWeek = this.calendar.daysAfter(this.from, 7) !== null;
    const window = `${this.isAhead ? 'the coming' : 'the first'} ${isWeek ? '7 days' : count(hours, 'hour')}${this.isAhead ? '' : ' shown'}`;
    if (!this.map.run.has_duties) {
      setText(title, 'Where most is required');
      setText(summary, `No duties were given, so nothing can be called short. These are the highest requirements of ${window}.`);
      return;
    }
    setText(title, 'Where and when we are short');
    if (this.runs.length === 0) {
      setText(summary, `No pool is short in ${window}: every hour has at least the units required.`);
      return;
    }
    summary.replaceChildren(
      make('b', {}, `${countHours(this.runs)} of ${hours} hours`),
      ` in ${window} have at least one pool short, in ${count(this.runs.length, 'stretch', 'stretches')}.`,
    );
  }

  private draw(): void {
    this.drawSummary();
    for (const button of byId('shortages-order').children) button.setAttribute('aria-pressed', String(button.getAttribute('data-order') === this.order));
    for (const button of byId('shortages-roles').children) button.setAttribute('aria-pressed', String(button.getAttribute('data-roles') === (this.allRoles ? 'all' : 'map')));
    byId('shortages-order').hidden = this.runs.length < 2;
    const ordered = this.order === 'worst' ? this.runs : [...this.runs].sort((a, b) => a.from - b.from || a.peak - b.peak);
    // By time everything is shown: a list cut after its first hours would hide the week.
    const shown = this.all || this.order === 'time' ? ordered : ordered.slice(0, FIRST_SHOWN);
    byId('shortages-list').replaceChildren(...shown.map((run) => make('li', {}, this.entry(run))));
    const more = byId('shortages-more');
    more.hidden = this.runs.length <= FIRST_SHOWN || this.order === 'time';
    setText(more, this.all ? `Show the first ${FIRST_SHOWN}` : `Show all ${this.runs.length}`);
    this.setHour(this.chosen);
  }

  private entry(run: Run): HTMLElement {
    const { map, calendar } = this;
    const hours = run.to - run.from;
    const duties = map.run.has_duties;
    const badge = make('span', { class: duties ? 'short-badge' : 'need-badge', 'aria-hidden': 'true' }, duties ? `−${-run.peak}` : String(run.peak));
    const when = make('span', { class: 'short-when' }, calendar.runLabel(run.from, run.to));
    const amount = duties ? `short by ${hours > 1 ? 'up to ' : ''}${count(-run.peak, 'unit')}` : `${count(run.peak, 'unit')} required`;
    const where = make('span', { class: 'short-where' }, make('span', {}, map.pools.name[run.pool] ?? ''), make('span', { class: 'visually-hidden' }, ' · '), make('span', {}, amount));
    const parts = [badge, when, where];
    if (run.late && duties) {
      const { chance, low, high } = run.late;
      parts.push(make('span', { class: 'short-late' }, `chance a call is late ${percent(chance)} `, low !== null && high !== null && make('span', { class: 'together' }, `(${percentRange(low, high)})`)));
    }
    const button = make('button', { type: 'button', class: 'short-run', 'data-from': run.from, 'data-to': run.to, 'data-peak': run.peakHour }, ...parts);
    button.addEventListener('click', () => this.choose(run.peakHour, { scope: 'pool', index: run.pool }));
    return button;
  }
}
