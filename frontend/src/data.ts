/** The data page: back to the map as it was left, light or dark, by keys as on the map. */

import './data.css';
import { byId } from './dom';
import { keysTaken, singleKeysOn } from './keys';
import './views';
import { mapAddress } from './way-back';

// Whoever may not see the map has no way to it.
const map = document.getElementById('map-link') as HTMLAnchorElement | null;
const left = mapAddress.read();
if (map && left !== null) map.href = left;

const root = document.documentElement;
const chosen = /[#&]theme=(light|dark)/.exec(left ?? '')?.[1];
if (chosen) root.dataset['theme'] = chosen;
const darkWanted = matchMedia('(prefers-color-scheme: dark)');
const turn = () => {
  root.dataset['theme'] = (root.dataset['theme'] ?? (darkWanted.matches ? 'dark' : 'light')) === 'dark' ? 'light' : 'dark';
};
const theme = byId('theme-button');
theme.hidden = false;
theme.addEventListener('click', turn);

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.target instanceof HTMLElement ? event.target : null;
  // Letters that are being written are no commands.
  if (keysTaken(target && { tagName: target.tagName, type: target.getAttribute('type') ?? '' }) === 'all') return;
  if (map && event.key === 'Escape') location.assign(map.href);
  if (!singleKeysOn()) return;
  if (map && event.key === 'm') location.assign(map.href);
  if (event.key === 'd') turn();
});
document.body.dataset['phase'] = 'ready';
