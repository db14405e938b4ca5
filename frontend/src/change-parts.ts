/** The parts of a form that stand for one written change: sliders, steppers, pools to tick, targets. */

import { readTargets, readUnits, writeTargets, writeUnits, type Cell } from './change-text';
import { make } from './dom';

export type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** What of a change is written, by the names that its fields have behind their change's prefix. */
export const WRITTEN = ['demand', 'service', 'units', 'merge', 'target'] as const;

export interface ChangeParts {
  /** Brings the parts in line with what is written. */
  show(): void;
  /** Writes what the parts say, where this one of them says something in writing. */
  typed(target: Element): void;
  /** The same when a choice is made, or writing is done. */
  chosen(target: Element): void;
}

export function startParts(root: HTMLElement, field: (name: string) => Field): ChangeParts {
  const steppers = [...root.querySelectorAll<HTMLInputElement>('.stepper')];
  const ticks = [...root.querySelectorAll<HTMLInputElement>('.merge')];
  const targets = [...root.querySelectorAll<HTMLElement>('.target')];
  const days = root.querySelector<HTMLSelectElement>('.stepper-days')!;
  const sliders = [...root.querySelectorAll<HTMLElement>('[data-slider]')].map(makeSlider);
  const knownDays = [...days.options].map((option) => option.value);
  let otherUnits: string[] = [];
  let otherTargets: string[] = [];

  const cellOf = (input: HTMLInputElement): Cell => ({ pool: input.dataset['pool'] ?? '', from: input.dataset['from'] ?? '', to: input.dataset['to'] ?? '' });
  const numbersOf = (target: HTMLElement) => ['minutes', 'share'].map((each) => target.querySelector<HTMLInputElement>(`.target-${each}`)!) as [HTMLInputElement, HTMLInputElement];

  function show(): void {
    for (const each of sliders) each();
    const units = readUnits(field('units').value, steppers.map(cellOf), knownDays);
    otherUnits = units.others;
    days.value = units.days;
    steppers.forEach((each, number) => (each.value = String(units.more[number])));
    const merged = field('merge').value.split('+').map((name) => name.trim());
    for (const each of ticks) each.checked = merged.includes(each.value);
    const read = readTargets(field('target').value, targets.map((each) => each.dataset['target'] ?? ''));
    otherTargets = read.others;
    targets.forEach((each, number) => {
      const [minutes, share] = numbersOf(each);
      minutes.value = read.said[number]?.minutes || minutes.dataset['usual'] || '';
      share.value = read.said[number]?.share || share.dataset['usual'] || '';
    });
    markChanged();
  }

  function write(): void {
    field('units').value = writeUnits(steppers.map((each) => [cellOf(each), Number(each.value)]), days.value, otherUnits);
    const said = targets.map((each) => {
      const [minutes, share] = numbersOf(each);
      return { name: each.dataset['target'] ?? '', minutes: minutes.value === minutes.dataset['usual'] ? '' : minutes.value, share: share.value === share.dataset['usual'] ? '' : share.value };
    });
    field('target').value = writeTargets(said, otherTargets);
    markChanged();
  }

  function writeMerged(): void {
    const chosen = ticks.filter((each) => each.checked).map((each) => each.value);
    field('merge').value = chosen.length > 1 ? chosen.join('+') : '';
  }

  function markChanged(): void {
    for (const each of steppers) each.classList.toggle('is-changed', Number(each.value) !== 0);
    for (const each of targets.flatMap(numbersOf)) each.classList.toggle('is-changed', each.value !== each.dataset['usual']);
  }

  for (const each of root.querySelectorAll<HTMLElement>('.all-steppers, .all-targets, .change-tools')) each.hidden = false;
  root.querySelector<HTMLDetailsElement>('.in-writing')!.open = false;
  show();
  return {
    show,
    typed: (target) => {
      if (target.matches('.stepper, .target input')) write();
    },
    chosen: (target) => {
      if (target.matches('.merge')) writeMerged();
      else if (target === days) write();
      else if ([field('units'), field('merge'), field('target')].includes(target as Field)) show();
    },
  };
}

/** Puts a slider and what it means in hundredths beside a number; gives what brings it in line with the number. */
function makeSlider(beside: HTMLElement): () => void {
  const number = beside.querySelector('input')!;
  const [min, max] = (beside.dataset['slider'] ?? '').split(' ');
  const words = make('output', {});
  const slider = make('input', { type: 'range', min: min ?? '0', max: max ?? '1', step: number.step, 'aria-label': `${beside.querySelector('label span')?.textContent ?? ''}: slider` });
  const follow = () => {
    slider.value = number.value;
    const percent = Math.round(100 * (Number(number.value) - 1));
    words.value = percent === 0 ? 'as expected' : `${percent > 0 ? '+' : '−'}${Math.abs(percent)}%`;
  };
  slider.addEventListener('input', () => (number.value = slider.value));
  beside.append(slider, words);
  beside.addEventListener('input', follow);
  follow();
  return follow;
}
