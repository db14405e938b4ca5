/** When and where most is to come in the next week, how sure that is and why: the list beside that of shortages. */

import { type ForceMap, type Place } from './decode';
import { byId, make, setText } from './dom';
import { aimAt, listPeaks, type ListedPeak, type PeakOrder } from './peaks';
import type { Calendar } from './periods';
import type { State } from './state';
import { count, percent } from './wording';

/** On a phone the map should not lie a whole list away. */
const FIRST_SHOWN = matchMedia('(max-width: 44rem)').matches ? 3 : 6;
const MEASURES: Record<string, string> = { incidents: 'Demand', offending: 'Offending' };

export class PeakList {
  private measure: string;
  private order: PeakOrder = 'unusual';
  private all = false;
  private chosen = -1;
  private readonly measures: string[];

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    private readonly choose: (hour: number, place: Place) => void,
    private readonly showList: (list: State['list']) => void,
  ) {
    this.measures = Object.keys(MEASURES).filter((measure) => listPeaks(map, measure, 'time').length > 0);
    this.measure = this.measures[0] ?? 'incidents';
    if (this.measures.length === 0) return;
    this.buildChoices();
    byId('peaks-more').addEventListener('click', () => {
      this.all = !this.all;
      this.draw();
    });
    this.draw();
  }

  /** Marks the peaks that hold the hour shown. */
  setHour(hour: number): void {
    this.chosen = hour;
    for (const button of byId('peaks-list').querySelectorAll<HTMLElement>('[data-from]')) {
      const holds = Number(button.dataset['from']) <= hour && hour < Number(button.dataset['to']);
      if (holds) button.setAttribute('aria-current', 'time');
      else button.removeAttribute('aria-current');
    }
  }

  private buildChoices(): void {
    const choice = (name: string, value: string, label: string, act: () => void) => {
      const button = make('button', { type: 'button', 'aria-pressed': 'false', [`data-${name}`]: value }, label);
      button.addEventListener('click', () => {
        act();
        this.draw();
      });
      return button;
    };
    const lists = byId('lists');
    for (const [list, label] of [['short', this.map.run.has_duties ? 'Short' : 'Required'], ['peaks', 'Peaks']] as const) {
      const button = make('button', { type: 'button', 'aria-pressed': String(list === 'short'), 'data-list': list }, label);
      button.addEventListener('click', () => this.showList(list));
      lists.append(button);
    }
    lists.hidden = false;
    byId('peaks-measures').append(...this.measures.map((measure) => choice('measure', measure, MEASURES[measure] ?? measure, () => (this.measure = measure))));
    byId('peaks-order').append(choice('order', 'unusual', 'Least usual first', () => (this.order = 'unusual')), choice('order', 'time', 'By time', () => (this.order = 'time')));
  }

  private draw(): void {
    const peaks = listPeaks(this.map, this.measure, this.order);
    for (const button of byId('peaks-measures').children) button.setAttribute('aria-pressed', String(button.getAttribute('data-measure') === this.measure));
    for (const button of byId('peaks-order').children) button.setAttribute('aria-pressed', String(button.getAttribute('data-order') === this.order));
    const unusual = peaks.filter(({ is_unusual }) => is_unusual).length;
    byId('peaks-summary').replaceChildren(
      make('b', {}, unusual === 0 ? 'None is expected to be unusual.' : `${count(unusual, 'shift')} expected to be unusual.`),
      ` The shifts of eight hours with most ${this.measure === 'incidents' ? 'incidents' : 'incidents of crime classes'} to come, for the force and each district.${this.most(peaks)}`,
    );
    const shown = this.all ? peaks : peaks.slice(0, FIRST_SHOWN);
    byId('peaks-list').replaceChildren(...shown.map((peak) => make('li', {}, this.entry(peak))));
    const more = byId('peaks-more');
    more.hidden = peaks.length <= FIRST_SHOWN;
    setText(more, this.all ? `Show the first ${FIRST_SHOWN}` : `Show all ${peaks.length}`);
    setText(byId('peaks-tried'), this.map.peaks.tried[this.measure] ?? '');
    this.setHour(this.chosen);
  }

  private most(peaks: ListedPeak[]): string {
    const [most] = peaks.filter(({ district }) => district === null).sort((a, b) => b.expected - a.expected);
    return most ? ` The whole force has most on ${this.calendar.runLabel(most.from, most.to)}: ${written(most.expected)} (80%: ${most.p10}–${most.p90}).` : '';
  }

  private entry(peak: ListedPeak): HTMLElement {
    const against = peak.usual === null ? '' : `, usual ${written(peak.usual)}`;
    const chances = [
      peak.chance_above_usual !== null && `chance above the usual ${percent(peak.chance_above_usual)}`,
      peak.is_unusual && `unusual: above ${peak.control_limit} with ${percent(peak.chance_unusual ?? 0)}`,
      peak.chance_short !== null && `of too few units ${percent(peak.chance_short)}`,
    ].filter((words): words is string => words !== false);
    const button = make(
      'button',
      { type: 'button', class: 'short-run', 'data-from': peak.from, 'data-to': peak.to },
      make('span', { class: peak.is_unusual ? 'short-badge' : 'need-badge' }, written(peak.expected)),
      make('span', { class: 'short-when' }, this.calendar.runLabel(peak.from, peak.to)),
      make('span', { class: 'short-where' }, make('span', {}, peak.district ?? 'Whole force'), make('span', { class: 'visually-hidden' }, ' · '), make('span', {}, `80%: ${peak.p10}–${peak.p90}${against}`)),
      make('span', { class: 'short-late' }, peak.because),
      make('span', { class: 'short-late' }, chances.join(' · ')),
    );
    button.addEventListener('click', () => {
      const { hour, place } = aimAt(this.map, peak);
      this.choose(hour, place);
    });
    return button;
  }
}

function written(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/** Shows one of the two lists. */
export function showList(list: State['list']): void {
  const isPeaks = list === 'peaks' && byId('lists').childElementCount > 0;
  byId('shortages-part').hidden = isPeaks;
  byId('peaks-part').hidden = !isPeaks;
  for (const button of byId('lists').children) button.setAttribute('aria-pressed', String((button.getAttribute('data-list') === 'peaks') === isPeaks));
}
