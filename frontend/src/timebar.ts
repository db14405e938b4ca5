/** The slider over all hours, drawn on a strip that shows where it is worth going, and play. */

import { type ForceMap, type Place } from './decode';
import { byId, make, prefersLessMotion, setText } from './dom';
import { weekdayOf, type Calendar } from './periods';
import type { Scale } from './scales';
import type { Theme } from './theme';
import { valueOf, type View } from './wording';

const MILLISECONDS_AN_HOUR = 420;
/** Half of the slider's handle; the strip is inset by it so that an hour lies under the handle's middle. */
const HANDLE = 9;

export class Timebar {
  private readonly slider = byId<HTMLInputElement>('slider');
  private readonly strip = byId<HTMLCanvasElement>('strip');
  private timer: ReturnType<typeof setInterval> | undefined;
  private repaint: () => void = () => {};

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    /** The hour that was chosen last: the slider may not show it yet. */
    private readonly hourNow: () => number,
    private readonly chooseHour: (hour: number) => void,
    private readonly announce: (text: string) => void,
  ) {
    this.slider.max = String(map.hourCount - 1);
    this.slider.addEventListener('input', () => {
      this.stop();
      chooseHour(Number(this.slider.value));
    });
    this.slider.addEventListener('keydown', (event) => {
      // The browser's own page step would be a tenth of the period, which is no unit of time.
      const days = event.key === 'PageUp' ? 1 : event.key === 'PageDown' ? -1 : 0;
      if (days !== 0) {
        event.preventDefault();
        chooseHour(calendar.sameHourAnotherDay(hourNow(), days));
      }
    });
    byId('play-button').addEventListener('click', () => this.toggle());
    byId('hour-back').addEventListener('click', () => this.step(-1));
    byId('hour-on').addEventListener('click', () => this.step(1));
    this.nameDays();
    new ResizeObserver(() => this.repaint()).observe(this.strip);
    matchMedia('(prefers-reduced-motion: reduce)').addEventListener('change', () => this.stop());
  }

  get playing(): boolean {
    return this.timer !== undefined;
  }

  toggle(): void {
    if (this.playing) {
      this.stop();
      return;
    }
    if (prefersLessMotion()) {
      this.announce('Play is off, because this computer asks for less motion. Use the arrow keys or the slider.');
      setText(byId('play-label'), 'Play is off');
      return;
    }
    if (this.hourNow() >= this.map.hourCount - 1) this.chooseHour(0);
    this.timer = setInterval(() => {
      const next = this.hourNow() + 1;
      if (next >= this.map.hourCount) this.stop();
      else this.chooseHour(next);
    }, MILLISECONDS_AN_HOUR);
    this.showPlaying();
  }

  stop(): void {
    if (!this.playing) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.showPlaying();
  }

  setHour(hour: number): void {
    this.slider.value = String(hour);
    this.slider.setAttribute('aria-valuetext', this.calendar.longHourLabel(hour));
    const { date, zone } = this.calendar.at(hour);
    const span = this.calendar.span(hour);
    const shown = byId('hour-shown');
    const [day, clock, zoneName] = [this.calendar.dayLabel(hour), span.endsWith(zone) ? span.slice(0, -zone.length - 1) : span, span.endsWith(zone) ? zone : ''];
    if (shown.childElementCount === 0) shown.append(make('span', { class: 'hour-day' }), ' ', make('b', { class: 'hour-clock' }), ' ', make('span', { class: 'hour-zone' }));
    const [dayPart, clockPart, zonePart] = shown.children;
    if (dayPart && clockPart && zonePart) {
      setText(dayPart, day);
      setText(clockPart, clock);
      setText(zonePart, zoneName);
    }
    shown.dataset['date'] = date;
  }

  /** Draws the strip under the slider: bars down for too few, bars up for the rest. */
  draw(view: View, scale: Scale, place: Place, theme: Theme): void {
    const values = this.calendar.hours.map(({ index }) => valueOf(this.map, view, place, index));
    const known = values.filter((value): value is number => value !== null);
    const most = Math.max(1e-9, ...known.filter(Number.isFinite).map(Math.abs));
    this.repaint = () => {
      const { clientWidth, clientHeight } = this.strip;
      if (clientWidth === 0) return;
      const ratio = Math.min(3, devicePixelRatio || 1);
      this.strip.width = Math.round(clientWidth * ratio);
      this.strip.height = Math.round(clientHeight * ratio);
      const context = this.strip.getContext('2d');
      if (!context) return;
      context.scale(ratio, ratio);
      const along = (clientWidth - 2 * HANDLE) / Math.max(1, values.length - 1);
      const colours = scale.colours(theme);
      context.fillStyle = theme.rule;
      for (const { hours } of this.calendar.days) {
        const start = hours[0];
        if (start && start.index > 0) context.fillRect(HANDLE + (start.index - 0.5) * along, 0, 1, clientHeight);
      }
      const zero = scale.short ? Math.round(clientHeight * 0.34) : clientHeight - 1;
      context.fillRect(HANDLE, zero, clientWidth - 2 * HANDLE, 1);
      values.forEach((value, index) => {
        if (value === null || value === 0) return;
        const room = value < 0 ? clientHeight - zero - 1 : zero - 1;
        const height = Math.max(1.5, Math.min(1, Math.abs(value) / most) * room);
        context.fillStyle = colours[scale.short ? (value < 0 ? Math.min(scale.classOf(value), 2) : 7) : Math.max(2, scale.classOf(value))] as string;
        context.fillRect(HANDLE + (index - 0.5) * along, value < 0 ? zero + 1 : zero - height, Math.max(0.8, along - (along > 3 ? 0.6 : 0)), height);
      });
    };
    this.repaint();
  }

  private step(by: number): void {
    this.stop();
    this.chooseHour(this.hourNow() + by);
  }

  private showPlaying(): void {
    byId('play-button').classList.toggle('is-playing', this.playing);
    setText(byId('play-label'), this.playing ? 'Stop' : 'Play');
  }

  private nameDays(): void {
    const last = Math.max(1, this.map.hourCount - 1);
    const names = this.calendar.days.flatMap(({ date, hours }) => {
      const [first, final] = [hours[0]?.index ?? 0, hours.at(-1)?.index ?? 0];
      // A few hours of a day at either end have no room for its name.
      if (final - first < 14) return [];
      const name = make('span', {}, make('b', {}, weekdayOf(date)), ` ${Number(date.slice(8))}`);
      name.style.left = `${((first + final) / 2 / last) * 100}%`;
      return [name];
    });
    byId('strip-days').replaceChildren(...names);
  }
}
