/** The map as a picture that can stand alone in a document: what, where and when above it, the legend below. */

import type { Scale } from './scales';
import type { Theme } from './theme';
import type { View } from './wording';

const FONT = 'system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif';

export function drawPicture(map: HTMLCanvasElement, [title, ...lines]: string[], view: View, scale: Scale, theme: Theme): HTMLCanvasElement {
  const ratio = Math.max(1, map.width / 900);
  const [head, foot, margin] = [(40 + 18 * lines.length) * ratio, 58 * ratio, 16 * ratio];
  const picture = document.createElement('canvas');
  picture.width = map.width;
  picture.height = map.height + head + foot;
  const context = picture.getContext('2d');
  if (!context) return picture;
  context.fillStyle = theme.card;
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(map, 0, head);
  context.fillStyle = theme.ink;
  context.font = `650 ${18 * ratio}px ${FONT}`;
  context.fillText(title ?? '', margin, 27 * ratio, picture.width - 2 * margin);
  context.fillStyle = theme.muted;
  context.font = `${13 * ratio}px ${FONT}`;
  lines.forEach((line, at) => context.fillText(line, margin, (48 + 18 * at) * ratio, picture.width - 2 * margin));
  const width = (picture.width - 2 * margin) / scale.classes;
  const top = head + map.height + 12 * ratio;
  scale.colours(theme).forEach((colour, index) => {
    context.fillStyle = colour;
    context.fillRect(margin + index * width, top, width, 14 * ratio);
    context.strokeStyle = theme.muted;
    context.strokeRect(margin + index * width, top, width, 14 * ratio);
    context.fillStyle = theme.ink;
    context.textAlign = 'center';
    context.fillText(`${scale.labels[index] ?? ''}${view.key === 'gap' && scale.short && index < scale.short.below ? ' short' : ''}`, margin + (index + 0.5) * width, top + 32 * ratio, width);
  });
  return picture;
}
