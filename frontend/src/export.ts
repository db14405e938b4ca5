/** CSV of what is shown, made in the page, with exact values: the single file has nobody to ask for it. */

import { type ForceMap, type Scope } from './decode';
import { byId, make } from './dom';
import type { Calendar } from './periods';

/**
 * One row a place and hour, with every figure of the scope; areas also carry the figures of their covering pool.
 *
 * Lines end with CR LF as RFC 4180 asks. Words that a spreadsheet would run as a formula get an apostrophe in front.
 */
export function writeCsv(map: ForceMap, calendar: Calendar, scope: Scope, hours: number[]): string {
  const own = map.figureNames(scope);
  const ofPool = scope === 'area' ? map.figureNames('pool').filter((name) => /^(units_|officers_|binds|binding_grade)/.test(name)) : [];
  const describing = { force: ['force_id'], pool: ['pool_id', 'pool_name', 'role'], area: ['area_id', 'area_name', 'district', 'area_kind', 'covering_pool_id'] }[scope];
  const lines = [[...describing, 'hour_starting', 'hour_starting_local', 'zone', ...own, ...ofPool.map((name) => `covering_pool_${name}`)].join(',')];
  for (const hour of hours) {
    const { starting, date, zone } = calendar.at(hour);
    const when = [new Date(starting * 1000).toISOString().replace('.000Z', 'Z'), `${date} ${calendar.startClock(hour)}`, words(zone)];
    const places = scope === 'pool' ? map.allPoolsAt(hour) : Array.from({ length: map.count(scope) }, (_, index) => index);
    for (const index of places) {
      const pool = scope === 'area' ? map.poolCovering(index, hour) : null;
      const who =
        scope === 'force'
          ? [map.force.id]
          : scope === 'pool'
            ? [map.pools.id[index], map.pools.name[index], map.pools.role[index]]
            : [map.areas.id[index], map.areas.name[index], map.areas.district[index], map.areas.kind[index], pool === null ? '' : map.pools.id[pool]];
      lines.push(
        [
          ...who.map((text) => words(text ?? '')),
          ...when,
          ...own.map((name) => map.exact(scope, name, index, hour) ?? ''),
          ...ofPool.map((name) => (pool === null ? '' : (map.exact('pool', name, pool, hour) ?? ''))),
        ].join(','),
      );
    }
  }
  return `${lines.join('\r\n')}\r\n`;
}

/** Text as a CSV field, safe in a spreadsheet. */
export function words(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The address of what is shown as a sheet of paper, which a service makes: a file has nobody to ask. */
export function sheetAddress(runId: string, hash: string, form: 'pdf' | 'png'): string {
  const shown = new URLSearchParams(hash.replace(/^#/, ''));
  const asked = new URLSearchParams({ run: runId });
  for (const name of ['hour', 'place', 'figure']) {
    const value = shown.get(name);
    if (value !== null) asked.set(name, value);
  }
  return `/map.${form}?${asked}`;
}

export function buildExportDialog(map: ForceMap, calendar: Calendar, hourNow: () => number, picture: (() => HTMLCanvasElement) | null): void {
  const dialog = byId<HTMLDialogElement>('export');
  const choose = (name: string, legend: string, options: [string, string][]) =>
    make(
      'fieldset',
      { class: 'choices' },
      make('legend', {}, legend),
      ...options.map(([value, label], index) => make('label', {}, make('input', { type: 'radio', name, value, checked: index === 0 }), ` ${label}`)),
    );
  const form = make(
    'form',
    { method: 'dialog' },
    make('h2', { id: 'export-title' }, 'Export'),
    choose('export-scope', 'Rows', [
      ['area', `Areas (${map.count('area')})`],
      ['pool', `Pools (${map.count('pool')})`],
      ['force', 'Whole force'],
    ]),
    choose('export-hours', 'Hours', [
      ['one', 'The hour shown'],
      ['week', 'The week shown'],
      ['all', `Whole period (${map.hourCount} hours)`],
    ]),
    make('p', { class: 'dialog-buttons' }, make('button', { type: 'submit', value: 'save', class: 'primary' }, 'Save CSV'), picture && make('button', { type: 'button', id: 'export-picture' }, 'Save the map as PNG'), make('button', { type: 'button', id: 'export-print' }, 'Print or save as PDF'), make('button', { type: 'submit', value: 'close' }, 'Close')),
  );
  const links = Object.entries(map.links);
  if (links.length > 0) {
    const sheet = (form: 'pdf' | 'png') => {
      const link = make('a', { href: sheetAddress(map.run.run_id, location.hash, form), id: `sheet-${form}` }, form.toUpperCase());
      // What is shown may change until it is asked for.
      for (const event of ['pointerdown', 'focus']) link.addEventListener(event, () => (link.href = sheetAddress(map.run.run_id, location.hash, form)));
      return link;
    };
    form.append(make('p', { class: 'sheet-choice' }, 'A4 sheet of what is shown: ', sheet('pdf'), ' ', sheet('png')));
    form.append(
      make('h3', {}, 'The run’s own tables'),
      make('ul', { class: 'links' }, ...links.map(([name, address]) => make('li', {}, make('a', { href: address }, name.replace(/_(csv|json|parquet)$/, (_, kind: string) => ` as ${kind.toUpperCase()}`).replaceAll('_', ' '))))),
    );
  }
  dialog.replaceChildren(form);
  byId('export-print').addEventListener('click', () => {
    dialog.close();
    print();
  });
  const nameOfHour = () => `bluelamp-${map.force.id}-${calendar.at(hourNow()).date}-${calendar.startClock(hourNow()).replace(':', '')}`;
  if (picture) {
    byId('export-picture').addEventListener('click', () => {
      picture().toBlob((image) => image && save(`${nameOfHour()}.png`, image));
    });
  }
  dialog.addEventListener('close', () => {
    if (dialog.returnValue !== 'save') return;
    const chosen = new FormData(form);
    const scope = chosen.get('export-scope') as Scope;
    const hour = hourNow();
    const week = calendar.weeks[calendar.weekIndex(hour)];
    const kind = chosen.get('export-hours');
    const hours = calendar.hours.map(({ index }) => index).filter((index) => (kind === 'one' ? index === hour : kind === 'week' && week ? index >= week.first && index <= week.last : true));
    const { date } = calendar.at(hours[0] ?? 0);
    const name = `bluelamp-${map.force.id}-${scope}-${date}${kind === 'one' ? `-${calendar.startClock(hour).replace(':', '')}` : ''}.csv`;
    // A byte order mark, without which Excel reads the names in the wrong alphabet.
    save(name, new Blob(['\ufeff', writeCsv(map, calendar, scope, hours)], { type: 'text/csv;charset=utf-8' }));
  });
}

function save(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = make('a', { href: address, download: name.replaceAll(/[^\w.-]+/g, '-') });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
