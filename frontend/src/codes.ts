/**
 * The page about codes, which works without this: here a change shows its effect at once, and codes can be found.
 */

import './style.css';
import './codes.css';
import './views';
import { afterQuiet, byId, make, setText } from './dom';

interface Share { before: number; after: number }
interface Moved { class_code: string; origin: string; before: number; after: number }
interface Effect { incidents: number; moved: Moved[]; unmapped: Share; drive_demand: Share }

const form = byId<HTMLFormElement>('change');
const shown = byId('effect');
const untouched = shown.firstElementChild?.cloneNode(true);
const selects = [...form.querySelectorAll('select')];
const isChanged = (select: HTMLSelectElement) => select.value !== select.dataset.given;
let asked = 0;

/** Only what is changed, and what names it, so that a change to one code sends one code. */
function changes(): URLSearchParams {
  const sent = new URLSearchParams();
  for (const name of ['token', 'version']) sent.set(name, form.querySelector<HTMLInputElement>(`[name="${name}"]`)?.value ?? '');
  for (const row of form.querySelectorAll('tbody tr')) {
    const own = [...row.querySelectorAll('select')];
    if (!own.some(isChanged)) continue;
    for (const field of row.querySelectorAll<HTMLInputElement | HTMLSelectElement>('input[type="hidden"], select')) sent.set(field.name, field.value);
  }
  return sent;
}

async function seeEffect(): Promise<void> {
  const mine = ++asked;
  if (!selects.some(isChanged)) {
    shown.replaceChildren(make('p', {}, 'Nothing is changed. Choose another class or origin below.'));
    return;
  }
  try {
    const answer = await fetch('/codes/effect.json', { method: 'POST', body: changes() });
    const said: unknown = await answer.json();
    if (mine !== asked) return;
    if (!answer.ok) throw new Error((said as { detail?: string }).detail ?? 'The effect could not be found.');
    show(said as Effect | null);
  } catch (error) {
    if (mine === asked) shown.replaceChildren(make('p', {}, error instanceof Error ? error.message : String(error)));
  }
}

function show(effect: Effect | null): void {
  if (!effect) {
    if (untouched) shown.replaceChildren(untouched.cloneNode(true));
    return;
  }
  const share = (incidents: number) => `${((100 * incidents) / effect.incidents).toFixed(1)}%`;
  const count = (incidents: number) => incidents.toLocaleString('en-GB');
  const said = make('p', {}, `Unmapped ${share(effect.unmapped.before)} → ${share(effect.unmapped.after)}. Drive demand ${share(effect.drive_demand.before)} → ${share(effect.drive_demand.after)}.`);
  if (!effect.moved.length) {
    shown.replaceChildren(said, make('p', {}, 'No incident changes its class or origin.'));
    return;
  }
  const heads = ['Class', 'Origin', 'Before', 'After'].map((title, place) => make('th', { scope: 'col', class: place > 1 && 'number' }, title));
  const rows = effect.moved.map((row) => make('tr', {}, make('td', {}, titleOf(row.class_code)), make('td', {}, row.origin.replaceAll('_', ' ')), make('td', { class: 'number' }, count(row.before)), make('td', { class: 'number' }, count(row.after))));
  const table = make('table', {}, make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, ...rows));
  shown.replaceChildren(said, make('div', { class: 'codes-wide', role: 'region', 'aria-label': 'Incidents before and after', tabindex: '0' }, table));
}

function titleOf(classCode: string): string {
  const option = [...(selects[0]?.options ?? [])].find((each) => each.value === classCode);
  return option?.text ?? classCode;
}

function findCodes(): void {
  const sought = byId<HTMLInputElement>('find-code').value.trim().toLowerCase();
  const onlyLeft = byId<HTMLInputElement>('only-left').checked;
  let found = 0;
  for (const row of byId('code-table').querySelectorAll<HTMLTableRowElement>('tbody tr')) {
    const words = `${row.cells[0]?.textContent ?? ''} ${row.cells[1]?.textContent ?? ''}`.toLowerCase();
    row.hidden = !words.includes(sought) || (onlyLeft && !('left' in row.dataset));
    if (!row.hidden) found += 1;
  }
  setText(byId('found'), `${found} shown`);
}

const soon = afterQuiet(150, () => void seeEffect());
form.addEventListener('change', (event) => {
  if (!(event.target instanceof HTMLSelectElement)) return;
  event.target.classList.toggle('is-changed', isChanged(event.target));
  soon();
});
form.addEventListener('click', (event) => {
  const button = event.target instanceof Element ? event.target.closest<HTMLButtonElement>('button.take') : null;
  const own = [...(button?.closest('tr')?.querySelectorAll('select') ?? [])];
  if (!button || !own[0]) return;
  for (const select of own) {
    select.value = (select.name.startsWith('class.') ? button.dataset.class : button.dataset.origin) ?? '';
    select.classList.toggle('is-changed', isChanged(select));
  }
  own[0].focus();
  soon();
});
// Enter in a field must not send the form: what is saved is saved on purpose.
form.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && event.target instanceof HTMLInputElement) event.preventDefault();
});
byId('see').hidden = true;
byId('find-codes').hidden = false;
for (const button of form.querySelectorAll<HTMLButtonElement>('button.take')) button.hidden = false;
for (const select of selects) select.classList.toggle('is-changed', isChanged(select));
byId('find-code').addEventListener('input', findCodes);
byId('only-left').addEventListener('change', findCodes);
