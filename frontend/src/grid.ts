/**
 * The hours of a week, a day a row, an hour of the clock a column.
 *
 * On the night when the clock goes back both hours stand in one column; when it goes forward its column is blank.
 * One cell is in the tab order, arrow keys move from cell to cell, and moving chooses the hour at once.
 */

import { type ForceMap, type Place } from './decode';
import { byId, make, setText } from './dom';
import { shortDate, weekdayOf, type Calendar } from './periods';
import type { Scale } from './scales';
import { inkOn, type Theme } from './theme';
import { valueOf, viewOfPlace, type View } from './wording';

export class WeekGrid {
  private readonly grid = byId('week-grid');
  private readonly cells = new Map<number, HTMLElement>();
  private week = -1;
  private chosen = -1;
  /** On a narrow screen days become columns, so that cells stay large enough to touch. */
  private readonly upright = matchMedia('(max-width: 44rem)');

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    /** The hour that was chosen last: its cell may not be marked yet. */
    private readonly hourNow: () => number,
    private readonly chooseHour: (hour: number) => void,
  ) {
    const { weeks } = calendar;
    if (weeks.length > 1) {
      weeks.forEach((week, index) => {
        const [first, last] = [week.days[0], week.days.at(-1)];
        const name = index === 0 ? 'This week' : index === 1 ? 'Next week' : `Week ${index + 1}`;
        const button = make('button', { type: 'button', 'aria-pressed': 'false', title: `${shortDate(first?.date ?? '')} – ${shortDate(last?.date ?? '')}` }, name);
        button.addEventListener('click', () => {
          if (this.week === index) return;
          const shifted = calendar.sameHourAnotherDay(hourNow(), (index - this.week) * 7);
          this.chooseHour(Math.min(Math.max(shifted, week.first), week.last));
        });
        byId('weeks').append(button);
      });
    }
    this.grid.addEventListener('click', (event) => {
      const cell = (event.target as HTMLElement).closest<HTMLElement>('[data-hour]');
      if (cell) this.chooseHour(Number(cell.dataset['hour']));
    });
    this.grid.addEventListener('keydown', (event) => this.key(event));
  }

  /** Colours every cell; called when the figure, the place, the theme or the week changes. */
  draw(view: View, scale: Scale, place: Place, theme: Theme, hour: number): void {
    this.showWeek(hour);
    const name = place.scope === 'force' ? 'whole force' : this.map.nameOf(place);
    setText(byId('week-figure'), `${viewOfPlace(view, place.scope)}, ${name}`);
    byId('week-figure').title = name;
    const colours = scale.colours(theme);
    for (const [index, cell] of this.cells) {
      const value = valueOf(this.map, view, place, index);
      const kind = value === null ? -1 : scale.classOf(value);
      const background = kind < 0 ? theme.noFigure : (colours[kind] as string);
      cell.style.backgroundColor = background;
      cell.style.color = inkOn(background);
      const isShort = scale.short !== undefined && kind >= 0 && kind < scale.short.below;
      cell.classList.toggle('is-short', isShort);
      const text = value === null || (scale.short && !isShort) ? '' : view.brief(value);
      setText(cell, text);
      cell.classList.toggle('is-long', text.length > 2);
      const written = value === null ? 'no figure' : view.write(value);
      cell.setAttribute('aria-label', `${this.calendar.hourLabel(index)}: ${written}`);
      cell.title = `${this.calendar.hourLabel(index)}: ${written}`;
    }
    this.setHour(hour);
  }

  /** Moves the mark. Returns true if the hour lies in another week, so that the cells must be drawn again. */
  setHour(hour: number): boolean {
    if (this.calendar.weekIndex(hour) !== this.week) return true;
    const before = this.cells.get(this.chosen);
    const now = this.cells.get(hour);
    const hadFocus = this.grid.contains(document.activeElement);
    if (before && before !== now) {
      before.tabIndex = -1;
      before.setAttribute('aria-selected', 'false');
    }
    if (now) {
      now.tabIndex = 0;
      now.setAttribute('aria-selected', 'true');
      if (hadFocus && document.activeElement !== now) now.focus({ preventScroll: true });
    }
    this.chosen = hour;
    return false;
  }

  private showWeek(hour: number): void {
    const index = this.calendar.weekIndex(hour);
    if (index === this.week) return;
    const hadFocus = this.grid.contains(document.activeElement);
    this.week = index;
    this.cells.clear();
    const days = this.calendar.weeks[index]?.days ?? [];
    const heads = make('div', { role: 'row', class: 'week-row' }, make('div', { role: 'columnheader', class: 'week-corner' }, make('span', { class: 'visually-hidden' }, 'Day')));
    for (let clock = 0; clock < 24; clock++) heads.append(make('div', { role: 'columnheader', class: 'week-clock' }, String(clock).padStart(2, '0')));
    const rows = days.map((day) => {
      const row = make('div', { role: 'row', class: 'week-row' }, make('div', { role: 'rowheader', class: 'week-day' }, make('b', {}, weekdayOf(day.date)), ` ${Number(day.date.slice(8))}`));
      for (const column of this.calendar.columns(day)) {
        const slot = make('div', { class: 'week-slot' });
        if (column.hours.length === 0) {
          const words = column.skipped ? 'the clock skips this hour' : 'outside the period';
          slot.append(make('div', { role: 'gridcell', class: column.skipped ? 'week-cell is-skipped' : 'week-cell is-outside', 'aria-disabled': 'true', 'aria-label': words, title: words }));
        }
        for (const { index: at } of column.hours) {
          const cell = make('div', { role: 'gridcell', class: 'week-cell', tabindex: -1, 'aria-selected': 'false', 'data-hour': at });
          this.cells.set(at, cell);
          slot.append(cell);
        }
        row.append(slot);
      }
      return row;
    });
    this.grid.replaceChildren(heads, ...rows);
    this.grid.style.setProperty('--days', String(days.length));
    // The column of an hour that comes twice is twice as wide, so that both can be read.
    const widest = Array.from({ length: 24 }, (_, clock) => Math.max(1, ...days.map((day) => day.hours.filter(({ hour: at }) => at === clock).length)));
    this.grid.style.setProperty('--hours', widest.map((width) => `minmax(0, ${width}fr)`).join(' '));
    byId('weeks').querySelectorAll('button').forEach((button, at) => button.setAttribute('aria-pressed', String(at === index)));
    this.chosen = -1;
    if (hadFocus) this.cells.get(hour)?.focus({ preventScroll: true });
  }

  private key(event: KeyboardEvent): void {
    if (event.altKey || event.metaKey) return;
    const { calendar } = this;
    const hour = this.hourNow();
    const day = calendar.days[calendar.dayIndex(hour)];
    const week = calendar.weeks[calendar.weekIndex(hour)];
    const byHour = (step: number) => hour + step;
    const byDay = (step: number) => calendar.sameHourAnotherDay(hour, step);
    // Shift+Left and Shift+Right move a day everywhere on the page, here too.
    const along = this.upright.matches ? byDay : event.shiftKey ? byDay : byHour;
    const across = this.upright.matches ? byHour : byDay;
    const next = ((): number | null => {
      switch (event.key) {
        case 'ArrowLeft':
          return along(-1);
        case 'ArrowRight':
          return along(1);
        case 'ArrowUp':
          return across(-1);
        case 'ArrowDown':
          return across(1);
        case 'Home':
          return (event.ctrlKey ? week?.first : day?.hours[0]?.index) ?? null;
        case 'End':
          return (event.ctrlKey ? week?.last : day?.hours.at(-1)?.index) ?? null;
        case 'PageUp':
          return byDay(-7);
        case 'PageDown':
          return byDay(7);
        default:
          return null;
      }
    })();
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.chooseHour(Math.min(Math.max(next, 0), calendar.hours.length - 1));
  }
}
