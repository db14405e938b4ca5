/**
 * The page on which a change, or two, are tried: sliders and steppers that answer while they are moved.
 *
 * The form is the one that works without scripts, and its address is the state: what is asked for is the page itself at
 * that address, with few runs first and then with all of them, and the part that answers takes the place of the old one.
 */

import './data';
import { startParts, WRITTEN, type Field } from './change-parts';
import { byId, setText } from './dom';
import { keysTaken } from './keys';

/** Milliseconds after which a slider counts as left alone. */
const RESTS_FOR = 400;

const found = document.getElementById('what-if');
if (found instanceof HTMLFormElement) start(found);

function start(form: HTMLFormElement): void {
  const field = (name: string) => form.elements.namedItem(name) as Field;
  const fields = [...form.querySelectorAll<Field>('input[name], select[name], textarea[name]')];
  const usual = new Map(fields.map((each) => [each.name, each.dataset['usual'] ?? '']));
  const fewRuns = Number(form.dataset['runsWhileMoving']);
  let at = new URLSearchParams(location.search).get('at') ?? '';

  // ---- the state is the address ----

  function address(runs?: number): string {
    const said = new URLSearchParams();
    for (const { name, value } of fields) if (value !== usual.get(name) && value.trim() !== '') said.set(name, value);
    if (at !== '') said.set('at', at);
    if (runs !== undefined) said.set('runs', String(runs));
    return `${form.getAttribute('action') ?? ''}?${said}`;
  }

  const depth = () => Number((history.state as { depth?: number } | null)?.depth ?? 0);
  const undo = byId<HTMLButtonElement>('undo');
  const tellDepth = () => (undo.disabled = depth() === 0);

  function keep(): void {
    const to = address();
    if (to === location.pathname + location.search) return;
    history.pushState({ depth: depth() + 1 }, '', to);
    tellDepth();
  }

  function readAddress(): void {
    const said = new URLSearchParams(location.search);
    for (const each of fields) each.value = said.get(each.name) ?? usual.get(each.name) ?? '';
    at = said.get('at') ?? '';
    showParts();
  }

  // ---- asking ----

  const says = byId('trial-says');
  let isAsking = false;
  /** What is to be asked next, as it was when it was asked for: what is being written since then is not asked yet. */
  let wanted: { few: number; all: number; quickly: string; whole: string } | null = null;
  let refining: AbortController | null = null;

  async function show(asked: string, signal?: AbortSignal): Promise<void> {
    const response = await fetch(asked, signal ? { signal } : {});
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const answer = page.getElementById('answer');
    if (!answer) throw new Error(`The answer could not be read (${response.status}).`);
    const old = byId('answer');
    const [focused, isOpen] = [document.activeElement?.id ?? '', document.getElementById('every-hour')?.hasAttribute('open') ?? false];
    old.replaceWith(answer);
    document.getElementById('every-hour')?.toggleAttribute('open', isOpen);
    showHourButtons();
    nameChanges();
    if (focused !== '' && !document.activeElement?.id) document.getElementById(focused)?.focus();
  }

  const tell = (words: string) => setText(says, `${byId('answer').dataset['says'] ?? ''}${words}`);

  /** Answers what is asked now: with few runs at once, with all of them when nothing more is asked. */
  async function ask(): Promise<void> {
    if (!form.checkValidity()) return setText(says, 'A number is missing or out of range.');
    const all = Number(field('runs').value);
    const few = Math.min(fewRuns, all);
    wanted = { few, all, quickly: address(few), whole: address(all) };
    refining?.abort();
    if (isAsking) return;
    isAsking = true;
    const isOver = () => wanted !== null;
    try {
      while (wanted) {
        const now: NonNullable<typeof wanted> = wanted;
        wanted = null;
        await show(now.quickly);
        if (now.few === now.all || isOver()) continue;
        tell(`${now.few} runs; ${now.all} are being simulated, so that the range narrows …`);
        refining = new AbortController();
        // A hand that rests for a moment only should not have to wait for all of them.
        for (let waited = 0; waited < RESTS_FOR && !isOver(); waited += 40) await pause(40);
        if (!isOver()) await show(now.whole, refining.signal).catch((problem: unknown) => refuseUnless(isOver(), problem));
      }
      tell(`${byId('answer').dataset['runs'] ?? ''} runs.`);
    } catch (problem) {
      setText(says, `No answer: ${problem instanceof Error ? problem.message : 'the service is not there'}. Try it again, or see whether bluelamp serve still runs.`);
    } finally {
      isAsking = false;
    }
  }

  // ---- the parts that stand for writing ----

  const changes = [...form.querySelectorAll<HTMLElement>('.one-change')].map((root) => startParts(root, (name) => field(`${root.dataset['prefix'] ?? ''}${name}`)));
  const showParts = () => changes.forEach((each) => each.show());

  /** Says beside each change's name what it is, as the answer says it. */
  function nameChanges(): void {
    for (const each of form.querySelectorAll<HTMLElement>('.change-words')) {
      const words = byId('answer').dataset[each.dataset['of'] ?? ''];
      if (words !== undefined) setText(each, words === '' ? '' : `: ${words}`);
    }
  }

  /** Writes change B anew: as change A is, or as nothing. */
  function writeSecond(like: (name: string) => string): void {
    for (const name of WRITTEN) field(`b_${name}`).value = like(name);
    showParts();
    keep();
    void ask();
  }

  function showHourButtons(): void {
    for (const id of ['hour-before', 'hour-after']) document.getElementById(id)?.toggleAttribute('hidden', false);
    document.getElementById('show-hour')?.toggleAttribute('hidden', true);
  }

  function chooseHour(number: number): void {
    const choice = byId<HTMLSelectElement>('at');
    at = choice.options[Math.min(Math.max(number, 0), choice.options.length - 1)]?.value ?? '';
    keep();
    void ask();
  }

  // ---- what happens ----

  form.addEventListener('input', ({ target }) => {
    if (!(target instanceof HTMLInputElement) || target.matches('.merge, .in-writing input')) return;
    changes.forEach((each) => each.typed(target));
    void ask();
  });
  form.addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLElement)) return;
    changes.forEach((each) => each.chosen(target));
    keep();
    // A slider was answered while it moved.
    if (!target.matches('input[type=range], input[type=number]')) void ask();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    keep();
    void ask();
  });
  document.addEventListener('change', ({ target }) => {
    if (target instanceof HTMLSelectElement && target.id === 'at') chooseHour(target.selectedIndex);
  });
  document.addEventListener('click', (event) => {
    if (!(event.target instanceof Element)) return;
    const button = event.target.closest('#hour-before, #hour-after');
    if (button) chooseHour(byId<HTMLSelectElement>('at').selectedIndex + (button.id === 'hour-after' ? 1 : -1));
    const picture = event.target.closest<SVGSVGElement>('svg.plan-hours');
    if (picture) chooseHour(hourUnder(picture, event.clientX));
  });
  undo.addEventListener('click', () => history.back());
  form.querySelector('.as-first')?.addEventListener('click', () => writeSecond((name) => field(name).value));
  form.querySelector('.take-away')?.addEventListener('click', () => writeSecond((name) => usual.get(`b_${name}`) ?? ''));
  byId('start-again').addEventListener('click', () => {
    for (const each of fields) each.value = usual.get(each.name) ?? '';
    at = '';
    showParts();
    keep();
    void ask();
  });
  addEventListener('popstate', () => {
    tellDepth();
    readAddress();
    void ask();
  });
  document.addEventListener('keydown', (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== 'z' || event.shiftKey || undo.disabled) return;
    // What is being written has an undo of its own.
    const target = event.target instanceof HTMLElement ? event.target : null;
    if (keysTaken(target && { tagName: target.tagName, type: target.getAttribute('type') ?? '', isContentEditable: target.isContentEditable, role: target.getAttribute('role') }) === 'all') return;
    event.preventDefault();
    history.back();
  });

  history.replaceState({ depth: depth() }, '');
  for (const id of ['trial-tools', 'trial-says']) byId(id).hidden = false;
  byId('send').hidden = true;
  showHourButtons();
  tellDepth();
  tell(`${byId('answer').dataset['runs'] ?? ''} runs.`);
}

/** The number of the hour at this place of a picture. */
function hourUnder(picture: SVGSVGElement, clientX: number): number {
  const { left, width } = picture.getBoundingClientRect();
  const [margin, hours] = [Number(picture.dataset['left']), Number(picture.dataset['hours'])];
  const drawn = picture.viewBox.baseVal.width;
  return Math.floor((((clientX - left) * drawn) / width - margin) / ((drawn - margin) / hours));
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((go) => setTimeout(go, milliseconds));
}

/** An answer that is no longer wanted is given up without a word. */
function refuseUnless(isGivenUp: boolean, problem: unknown): void {
  if (!isGivenUp) throw problem;
}
