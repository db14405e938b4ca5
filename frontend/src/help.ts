/** The help dialog: keys, what the figures mean, and how they were made. */

import type { ForceMap } from './decode';
import { byId, make } from './dom';
import { momentLabel } from './periods';
import { setSingleKeys, singleKeysOn } from './keys';
import { methodName, percent, timeSpan } from './wording';

const KEYS: [string[], string][] = [
  [['←', '→'], 'an hour back or on'],
  [['Shift + ←', 'Shift + →'], 'a day back or on'],
  [['Home', 'End'], 'the first and the last hour'],
  [['Space'], 'play and stop'],
  [['/'], 'find an area or a pool'],
  [['t'], 'table or map'],
  [['e'], 'export'],
  [['h'], 'hotspots: where offences are most to be expected in the shift'],
  [['i'], 'data: what came in, and what is open'],
  [['d'], 'dark or light'],
  [['Esc'], 'back to the whole force'],
  [['?'], 'this help'],
];

export function buildHelpDialog(map: ForceMap): void {
  const { run, force } = map;
  // A map sent as a file has no data page.
  const isServed = document.getElementById('data-link') !== null;
  const keysHere = KEYS.filter(([[name]]) => (name !== 'i' || isServed) && (name !== 'h' || map.hotspots !== null));
  const keys = make('dl', { class: 'keys' }, ...keysHere.map(([names, meaning]) => make('div', {}, make('dt', {}, ...names.flatMap((name, index) => [index > 0 ? ' ' : '', make('kbd', {}, name)])), make('dd', {}, meaning))));
  const single = make('input', { type: 'checkbox', id: 'single-keys', checked: singleKeysOn() });
  single.addEventListener('change', () => setSingleKeys(single.checked));
  const meaning: [string, string][] = [
    ['Gap', 'Units on duty minus units required, of one pool and hour. Below zero is short. Gaps of pools are never netted against each other.'],
    ['Pool and area', 'Calls are counted in areas; officers belong to pools that cover many areas, fewer of them by night. So an area shows the gap of the pool that covers it at that hour.'],
    ['Chance that a call is late', 'The share of calls expected to miss their response target. “At least one late call” is another figure: it grows with the number of calls.'],
    ['Peaks', 'The shifts of eight hours with most to come, in the force and each district. Usual is the mean of the same shift of the same weekday in the last 26 weeks that were seen; unusual is more than such a shift exceeds once in a hundred times, or as often as the settings say.'],
    ['Bands', 'The inner band holds the count one time in two, the middle one four times in five, the outer one nineteen times in twenty.'],
    ['Net and gross', 'Net officers are needed on duty. Gross adds what leave, training and sickness take away.'],
    ['Recorded calls', 'Demand here is recorded calls. It is not the same as crime, and it is shaped by where officers were sent before.'],
  ];
  const standards = make(
    'table',
    { class: 'standards' },
    make('caption', {}, 'Response standards used'),
    make('thead', {}, make('tr', {}, ...['Grade', 'Area', 'Within', 'Share of calls'].map((name) => make('th', { scope: 'col' }, name)))),
    make('tbody', {}, ...map.standards.map(({ grade, grade_name, area_kind, target_minutes, target_share }) => make('tr', {}, make('th', { scope: 'row' }, grade_name ? `${grade} ${grade_name}` : grade), make('td', {}, area_kind), make('td', {}, timeSpan(target_minutes)), make('td', {}, percent(target_share))))),
  );
  byId('help').replaceChildren(
    make(
      'form',
      { method: 'dialog' },
      make('div', { class: 'dialog-head' }, make('h2', { id: 'help-title' }, 'Help'), make('button', { type: 'submit' }, 'Close')),
      make('div', { class: 'help-columns' }, make('section', {}, make('h3', {}, 'Keys'), keys, make('label', { class: 'check' }, single, ' Single-letter keys act')), make('section', {}, make('h3', {}, 'What the figures mean'), make('dl', { class: 'meanings' }, ...meaning.map(([name, text]) => make('div', {}, make('dt', {}, name), make('dd', {}, text)))))),
      make('h3', {}, 'How they were made'),
      make('p', {}, `Run ${run.run_id}, made ${momentLabel(run.made_at, force.time_zone)} from data up to ${momentLabel(run.data_until, force.time_zone)}. Forecast: ${methodName(run.method)}; staffing: ${methodName(run.staffing_method)}; seed ${run.seed}. The same input, settings and seed give the same figures.`),
      ...(map.standards.length > 0 ? [standards] : []),
    ),
  );
}
