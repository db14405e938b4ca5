// What style.css and its like say of pictures, for paper: the sheets that the server makes draw the pages' SVG by it.
// Colours are those of the light theme, and variables stand resolved, because what draws there knows neither.

import postcss from 'postcss';

const OF_PICTURES = new Set(['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linecap', 'stroke-linejoin', 'stroke-opacity', 'opacity', 'font-size', 'font-weight', 'text-anchor']);
const TELL_A_PICTURE = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'opacity'];

/** One rule a line, in the order of the sheets; only rules that hold everywhere, and only of class names and elements. */
export function paperCss(sheets) {
  const roots = sheets.map((text) => postcss.parse(text));
  const variables = new Map();
  for (const { nodes } of roots) {
    for (const rule of nodes.filter(({ selector }) => selector === ':root')) rule.walkDecls(/^--/, ({ prop, value }) => variables.set(prop, value));
  }
  const lines = [];
  for (const { nodes } of roots) {
    for (const rule of nodes.filter(({ type }) => type === 'rule')) {
      const said = rule.nodes.filter(({ type, prop }) => type === 'decl' && OF_PICTURES.has(prop)).map(({ prop, value }) => [prop, resolve(value, variables)]);
      const selectors = rule.selectors.filter((selector) => /^[\w\s.>-]+$/.test(selector));
      if (selectors.length === 0 || !said.some(([prop]) => TELL_A_PICTURE.includes(prop))) continue;
      const kept = said.filter(([, value]) => !/\b(rem|em|clamp|var|inherit)\b|%/.test(value));
      if (kept.length > 0) lines.push(`${selectors.join(',')}{${kept.map(([prop, value]) => `${prop}:${value}`).join(';')}}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function resolve(value, variables) {
  let now = value;
  for (let before = ''; before !== now; ) {
    before = now;
    now = now.replace(/var\((--[\w-]+)\)/g, (whole, name) => variables.get(name) ?? whole).replace(/light-dark\(\s*([^,()]+)\s*,\s*[^()]+\)/g, '$1');
  }
  return now.replaceAll('currentColor', variables.get('--ink') ?? '#000');
}
