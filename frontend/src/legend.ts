/** What the colours of the map mean, in numbers. */

import { byId, make } from './dom';
import type { Scale } from './scales';
import { mixed, type Theme } from './theme';
import type { View } from './wording';

export function drawLegend(view: View, scale: Scale, theme: Theme, hasGaps: boolean, veil = 0): void {
  const items = scale.colours(theme).map((colour, index) => {
    const swatch = make('span', { class: 'swatch', 'aria-hidden': 'true' });
    swatch.style.backgroundColor = mixed(colour, theme.paper, veil);
    if (scale.short && index < scale.short.below) swatch.classList.add(index < scale.short.severe ? 'is-cross-hatched' : 'is-hatched');
    return make('li', {}, swatch, make('span', {}, scale.labels[index] ?? ''));
  });
  if (hasGaps) {
    const swatch = make('span', { class: 'swatch is-dotted', 'aria-hidden': 'true' });
    swatch.style.backgroundColor = theme.noFigure;
    items.push(make('li', { class: 'legend-blank' }, swatch, make('span', {}, 'no figure')));
  }
  const words = make('p', { class: 'legend-title' }, view.title, scale.short ? make('span', { class: 'legend-note' }, ' · hatched: short') : null);
  byId('legend').replaceChildren(words, make('ul', {}, ...items));
}
