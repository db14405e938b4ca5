/** The answer to "where and when are we short in the next week?", in words, before any click. */

import { type ForceMap, type Place } from './decode';
import { byId, make, setText } from './dom';
import type { Calendar } from './periods';
import { countShortHours, findBusiest, findShortages, type Run } from './shortages';
import { count, percent, percentRange } from './wording';

/** On a phone the map should not lie a whole list away. */
const FIRST_SHOWN = matchMedia('(max-width: 44rem)').matches ? 4 : 7;

export class ShortageList {
  readonly runs: Run[];
  readonly from: number;
  private readonly isAhead: boolean;
  private order: 'worst' | 'time' = 'worst';
  private all = false;
  private chosen = -1;

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    /** The hour in which we are, or null if the run does not hold it. */
    now: number | null,
    private readonly choose: (hour: number, place: Place) => void,
  ) {
    this.from = now ?? 0;
    this.isAhead = now !== null || Date.now() / 1000 < (map.hours.starting[0] ?? 0);
    this.runs = map.run.has_duties ? findShortages(map, this.from, this.to) : findBusiest(map, this.from, this.to);
    this.drawSummary();
    for (const [order, label] of [
      ['worst', map.run.has_duties ? 'Worst first' : 'Most first'],
      ['time', 'By time'],
    ] as const) {
      const button = make('button', { type: 'button', 'aria-pressed': String(order === this.order) }, label);
      button.addEventListener('click', () => {
        this.order = order;
        for (const other of byId('shortages-order').children) other.setAttribute('aria-pressed', String(other === button));
        this.draw();
      });
      byId('shortages-order').append(button);
    }
    byId('shortages-order').hidden = this.runs.length < 2;
    byId('shortages-more').addEventListener('click', () => {
      this.all = !this.all;
      this.draw();
    });
    this.draw();
  }

  get to(): number {
    return Math.min(this.map.hourCount, this.from + 168);
  }

  /** The hour and pool to open with: the worst of the coming week. */
  get worst(): Run | null {
    return this.runs[0] ?? null;
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

  private drawSummary(): void {
    const title = byId('shortages-title');
    const summary = byId('shortages-summary');
    const hours = this.to - this.from;
    const window = `${this.isAhead ? 'the coming' : 'the first'} ${hours === 168 ? '7 days' : count(hours, 'hour')}${this.isAhead ? '' : ' shown'}`;
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
      make('b', {}, `${countShortHours(this.map, this.from, this.to)} of ${hours} hours`),
      ` in ${window} have at least one pool short, in ${count(this.runs.length, 'stretch', 'stretches')}.`,
    );
  }

  private draw(): void {
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
    const where = make('span', { class: 'short-where' }, make('b', {}, map.pools.name[run.pool] ?? ''), make('span', { class: 'visually-hidden' }, ' · '), make('span', {}, amount));
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
