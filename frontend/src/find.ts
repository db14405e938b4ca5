/** The box that finds an area or a pool by name, id or district: a combobox that a keyboard and a screen reader can use. */

import { type ForceMap, type Place, WHOLE_FORCE } from './decode';
import { byId, make } from './dom';
import { roleName } from './wording';

interface Entry {
  place: Place;
  name: string;
  about: string;
  sought: string;
}

const MOST = 12;

export function buildFind(map: ForceMap, choose: (place: Place) => void): { focus: () => void } {
  const input = byId<HTMLInputElement>('find-input');
  const list = byId('find-list');
  const entries = listEntries(map);
  let shown: Entry[] = [];
  let active = -1;

  const close = () => {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
    active = -1;
  };
  const mark = (index: number) => {
    active = index;
    [...list.children].forEach((option, at) => option.setAttribute('aria-selected', String(at === index)));
    const option = list.children[index];
    if (option) {
      input.setAttribute('aria-activedescendant', option.id);
      option.scrollIntoView({ block: 'nearest' });
    } else input.removeAttribute('aria-activedescendant');
  };
  const open = () => {
    shown = findEntries(entries, input.value).slice(0, MOST);
    list.replaceChildren(
      ...shown.map(({ name, about }, index) => make('li', { role: 'option', id: `find-option-${index}`, 'aria-selected': 'false' }, make('span', {}, name), make('span', { class: 'find-about' }, about))),
    );
    if (shown.length === 0) list.append(make('li', { role: 'option', 'aria-disabled': 'true', class: 'find-none' }, 'No area or pool has this name'));
    list.hidden = false;
    input.setAttribute('aria-expanded', 'true');
    mark(shown.length > 0 && input.value !== '' ? 0 : -1);
  };
  const take = (index: number) => {
    const entry = shown[index];
    if (!entry) return;
    input.value = '';
    close();
    choose(entry.place);
  };

  input.addEventListener('input', open);
  input.addEventListener('focus', open);
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (list.hidden) open();
      const by = event.key === 'ArrowDown' ? 1 : -1;
      if (shown.length > 0) mark((active + by + shown.length) % shown.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (!list.hidden) take(active >= 0 ? active : 0);
    } else if (event.key === 'Escape') {
      event.stopPropagation();
      if (list.hidden) input.blur();
      input.value = '';
      close();
    }
  });
  // Pressing the mouse would take the focus, and with it the list, before the click arrives.
  list.addEventListener('mousedown', (event) => event.preventDefault());
  list.addEventListener('click', (event) => {
    const option = (event.target as HTMLElement).closest('[role=option]');
    if (option) take([...list.children].indexOf(option));
  });
  return {
    focus: () => {
      input.focus();
      input.select();
    },
  };
}

function listEntries(map: ForceMap): Entry[] {
  const entry = (place: Place, about: string): Entry => {
    const name = map.nameOf(place);
    return { place, name, about, sought: plainLetters(`${name} ${map.idOf(place)} ${about}`) };
  };
  return [
    entry(WHOLE_FORCE, map.force.name),
    ...map.pools.id.map((id, index) => entry({ scope: 'pool', index }, `pool ${id} · ${roleName(map.pools.role[index] ?? '')}`)),
    ...map.areas.id.map((id, index) => entry({ scope: 'area', index }, `${id} · ${map.areas.district[index] ?? ''}`)),
  ];
}

/** Names that begin with what was typed first, then those that hold it. Accents and case do not matter. */
export function findEntries<E extends { name: string; sought: string }>(entries: E[], typed: string): E[] {
  const sought = plainLetters(typed.trim());
  if (sought === '') return entries;
  const rank = ({ name, sought: text }: E) => (plainLetters(name).startsWith(sought) ? 0 : text.includes(` ${sought}`) ? 1 : text.includes(sought) ? 2 : 3);
  return entries
    .map((entry) => ({ entry, rank: rank(entry) }))
    .filter(({ rank: found }) => found < 3)
    .sort((a, b) => a.rank - b.rank)
    .map(({ entry }) => entry);
}

function plainLetters(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
}
