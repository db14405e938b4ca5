/** The table twin of the map: the same figures of every area, or pool, at the chosen hour. */

import { type ForceMap, type Place, WHOLE_FORCE } from './decode';
import { byId, make, setText } from './dom';
import { addressOf } from './panel';
import type { State } from './state';
import { asWritten, percent, roleName, signed } from './wording';

interface Column {
  key: string;
  label: string;
  /** The pool's figure even in the table of areas. */
  ofPool?: boolean;
  write?: (value: number) => string;
  words?: (row: number, hour: number) => string;
  figure?: string;
}

type Order = { key: string; rising: boolean };

export class TwinTable {
  private order: Record<State['rows'], Order> = { areas: { key: 'units_gap', rising: true }, pools: { key: 'units_gap', rising: true } };
  private shown: State['rows'] | null = null;
  private body: HTMLTableSectionElement = make('tbody');
  private hour = 0;
  private place: Place = WHOLE_FORCE;

  constructor(
    private readonly map: ForceMap,
    private readonly choose: (place: Place) => void,
    private readonly chooseRows: (rows: State['rows']) => void,
  ) {
    const switcher = make('div', { class: 'segmented small', role: 'group', 'aria-label': 'Rows of the table' });
    for (const [rows, label] of [
      ['areas', 'Areas'],
      ['pools', 'Pools'],
    ] as const) {
      const button = make('button', { type: 'button', 'data-rows': rows, 'aria-pressed': 'false' }, label);
      button.addEventListener('click', () => this.chooseRows(rows));
      switcher.append(button);
    }
    byId('table-head').append(switcher, make('p', { class: 'table-note', id: 'table-note' }));
  }

  draw(rows: State['rows'], hour: number, place: Place): void {
    this.hour = hour;
    this.place = place;
    if (this.shown !== rows) this.build(rows);
    for (const button of byId('table-head').querySelectorAll<HTMLElement>('[data-rows]')) button.setAttribute('aria-pressed', String(button.dataset['rows'] === rows));
    setText(
      byId('table-note'),
      rows === 'areas' ? `${this.map.run.has_duties ? 'Required, on duty and gap are those' : 'Required is that'} of the pool that covers the area at this hour.` : 'Pools at this hour.',
    );
    const columns = this.columns(rows);
    const sorted = this.sorted(rows, columns);
    const chosen = place.scope === (rows === 'areas' ? 'area' : 'pool') ? place.index : -1;
    while (this.body.rows.length > sorted.length) this.body.deleteRow(-1);
    sorted.forEach((index, at) => this.fill(this.body.rows[at] ?? this.addRow(columns), columns, rows, index, index === chosen));
  }

  private columns(rows: State['rows']): Column[] {
    const own = rows === 'areas';
    const duties = this.map.run.has_duties;
    const columns: Column[] = own
      ? [
          { key: 'district', label: 'District', words: (row) => this.map.areas.district[row] ?? '' },
          { key: 'pool', label: 'Covering pool', words: (row, hour) => this.map.pools.name[this.map.poolCovering(row, hour) ?? -1] ?? 'none' },
        ]
      : [{ key: 'role', label: 'Role', words: (row) => roleName(this.map.pools.role[row] ?? '') }];
    const figure = (name: string, label: string, write?: (value: number) => string, ofPool = false): Column => {
      const decimals = this.map.figure(ofPool || !own ? 'pool' : 'area', name)?.decimals ?? 0;
      return { key: name, label, figure: name, write: write ?? asWritten(decimals), ofPool };
    };
    if (duties) columns.push(figure('units_gap', 'Gap', signed, true), figure('units_gap_p10', 'Gap, low', signed, true), figure('units_gap_p90', 'Gap, high', signed, true));
    columns.push(figure('units_required', 'Required', undefined, true));
    if (duties) columns.push(figure('units_on_duty', 'On duty', undefined, true));
    columns.push(
      figure('incidents_mean', 'Incidents'),
      figure('incidents_p10', '80% low'),
      figure('incidents_p90', '80% high'),
      figure('immediate_mean', 'Immediate'),
      figure('deferrable_mean', 'Deferrable'),
      figure('scheduled_mean', 'Scheduled'),
      figure('officer_hours_mean', 'Officer-hours'),
      figure('officer_hours_p10', 'Hours, low'),
      figure('officer_hours_p90', 'Hours, high'),
      figure('chance_late', 'Late', percent),
      figure('chance_late_immediate', 'Immediate late', percent),
      figure('chance_late_p10', 'Late, low', percent),
      figure('chance_late_p90', 'Late, high', percent),
      figure('chance_any_late', 'At least one late', percent),
      figure('expected_delay_minutes', 'Delay of most urgent, min'),
    );
    return columns.filter(({ figure: name, ofPool }) => !name || this.map.figure(ofPool || !own ? 'pool' : 'area', name));
  }

  private build(rows: State['rows']): void {
    this.shown = rows;
    const columns = this.columns(rows);
    if (!columns.some(({ key }) => key === this.order[rows].key)) this.order[rows] = { key: 'units_required', rising: false };
    const head = make('tr', {});
    for (const column of [{ key: 'name', label: rows === 'areas' ? 'Area' : 'Pool' }, ...columns] as Column[]) {
      const button = make('button', { type: 'button' }, column.label, make('span', { class: 'sort-mark', 'aria-hidden': 'true' }));
      const cell = make('th', { scope: 'col', class: column.figure ? 'number' : null, 'data-key': column.key }, button);
      button.addEventListener('click', () => {
        const now = this.order[rows];
        // Words rise first; of figures the largest matter first, but of gaps the smallest.
        const rising = now.key === column.key ? !now.rising : !column.figure || column.key.startsWith('units_gap');
        this.order[rows] = { key: column.key, rising };
        this.markOrder(head, rows);
        this.draw(rows, this.hour, this.place);
      });
      head.append(cell);
    }
    this.body = make('tbody');
    const table = make('table', { class: 'twin' }, make('caption', { class: 'visually-hidden' }, rows === 'areas' ? 'Every area at the chosen hour' : 'Every pool at the chosen hour'), make('thead', {}, head), this.body);
    byId('table-scroll').replaceChildren(table);
    this.markOrder(head, rows);
  }

  private markOrder(head: HTMLTableRowElement, rows: State['rows']): void {
    const { key, rising } = this.order[rows];
    for (const cell of head.cells) {
      if (cell.dataset['key'] === key) cell.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
      else cell.removeAttribute('aria-sort');
    }
  }

  private sorted(rows: State['rows'], columns: Column[]): number[] {
    const { key, rising } = this.order[rows];
    const indexes = rows === 'areas' ? this.map.areas.id.map((_, index) => index) : this.map.allPoolsAt(this.hour);
    const names = rows === 'areas' ? this.map.areas.name : this.map.pools.name;
    const column = columns.find((candidate) => candidate.key === key);
    const keyOf = (index: number): number | string | null => {
      if (!column) return names[index] ?? '';
      if (column.words) return column.words(index, this.hour);
      const place = this.placeOf(rows, column, index);
      return place && column.figure ? this.map.number(place.scope, column.figure, place.index, this.hour) : null;
    };
    const keys = new Map(indexes.map((index) => [index, keyOf(index)]));
    const direction = rising ? 1 : -1;
    return [...indexes].sort((a, b) => {
      const [one, other] = [keys.get(a) ?? null, keys.get(b) ?? null];
      // Unknown values stand last whichever way the column is sorted.
      if (one === null || other === null) return one === other ? a - b : one === null ? 1 : -1;
      const compared = typeof one === 'string' ? one.localeCompare(String(other), undefined, { numeric: true }) : one - (other as number);
      return compared * direction || a - b;
    });
  }

  private placeOf(rows: State['rows'], column: Column, index: number): Place | null {
    if (rows === 'pools') return { scope: 'pool', index };
    if (!column.ofPool) return { scope: 'area', index };
    const pool = this.map.poolCovering(index, this.hour);
    return pool === null ? null : { scope: 'pool', index: pool };
  }

  private addRow(columns: Column[]): HTMLTableRowElement {
    const row = this.body.insertRow();
    const name = make('button', { type: 'button', class: 'link' });
    name.addEventListener('click', () => this.choose({ scope: this.shown === 'pools' ? 'pool' : 'area', index: Number(row.dataset['index']) }));
    row.append(make('th', { scope: 'row' }, name));
    for (const column of columns) row.append(make('td', { class: column.figure ? 'number' : null }));
    return row;
  }

  private fill(row: HTMLTableRowElement, columns: Column[], rows: State['rows'], index: number, chosen: boolean): void {
    row.dataset['index'] = String(index);
    row.classList.toggle('is-chosen', chosen);
    const name = row.cells[0]?.firstElementChild;
    if (name) setText(name, (rows === 'areas' ? this.map.areas.name : this.map.pools.name)[index] ?? '');
    columns.forEach((column, at) => {
      const cell = row.cells[at + 1];
      if (!cell) return;
      if (column.words) {
        setText(cell, column.words(index, this.hour));
        return;
      }
      const place = this.placeOf(rows, column, index);
      const figure = column.figure as string;
      const value = place && this.map.number(place.scope, figure, place.index, this.hour);
      setText(cell, value === null ? '–' : column.write?.(value) ?? String(value));
      if (figure === 'units_gap') cell.classList.toggle('is-short', value !== null && value < 0);
      if (!place) return;
      const exact = this.map.exact(place.scope, figure, place.index, this.hour) ?? '';
      for (const [attribute, text] of Object.entries(addressOf(this.map, place, figure, this.hour))) cell.setAttribute(attribute, text);
      cell.setAttribute('data-value', exact);
    });
  }
}
