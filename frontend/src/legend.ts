/** What the colours of the map mean, in numbers. */

import { byId, make } from './dom';
import type { Scale } from './scales';
import type { Theme } from './theme';
import type { View } from './wording';

export function drawLegend(view: View, scale: Scale, theme: Theme, hasGaps: boolean): void {
  const items = scale.colours(theme).map((colour, index) => {
    const swatch = make('span', { class: 'swatch', 'aria-hidden': 'true' });
    swatch.style.backgroundColor = colour;
    if (scale.short && index < scale.short.below) swatch.classList.add(index < scale.short.severe ? 'is-cross-hatched' : 'is-hatched');
    return make('li', {}, swatch, scale.labels[index] ?? '');
  });
  if (hasGaps) {
    const swatch = make('span', { class: 'swatch', 'aria-hidden': 'true' });
    swatch.style.backgroundColor = theme.noFigure;
    items.push(make('li', {}, swatch, 'no figure'));
  }
  const unit = { gap: 'Units on duty minus required', required: 'Units required', demand: 'Incidents in the hour', officer_hours: 'Officer-hours in the hour', late: 'Chance that a call is late', delay: 'Minutes of delay' }[view.key];
  const words = make('p', { class: 'legend-title' }, unit, scale.short ? make('span', { class: 'legend-note' }, ' · hatched = short') : null);
  byId('legend').replaceChildren(words, make('ul', {}, ...items));
}
