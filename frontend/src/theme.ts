/**
 * The colours that are drawn rather than styled: map, grid, slider strip, chart.
 *
 * tokens.json is where colours are, for these and for the sheets; a canvas cannot read `light-dark()`.
 */

import tokens from './tokens.json';

export type ThemeName = 'light' | 'dark';
type Hue = 'blue' | 'teal' | 'purple' | 'amber' | 'rose';

export interface Theme {
  name: ThemeName;
  paper: string;
  card: string;
  ink: string;
  muted: string;
  rule: string;
  line: string;
  /** Under the areas: water, ground that is built or wooded, and the lines of roads. */
  under: Record<'water' | 'land' | 'road', string>;
  border: string;
  /** The rim that sets a line off from whatever it crosses. */
  casing: string;
  accent: string;
  series: string;
  short: string;
  /** Text on the colour of a shortage, and the lines of its hatch. */
  onShort: string;
  shortInk: string;
  noFigure: string;
  hotspotLine: string;
  /** From the worst shortage to the largest surplus; the middle one is "as many as required". */
  gap: readonly string[];
  /** From little to much, one hue a figure. */
  steps: Record<Hue, readonly string[]>;
}

export const THEMES: Record<ThemeName, Theme> = { light: themeOf('light'), dark: themeOf('dark') };

function themeOf(name: ThemeName): Theme {
  const colour = (token: keyof typeof tokens.colour) => tokens.colour[token][name];
  const { gap, ...steps } = tokens.ramp;
  return {
    name,
    paper: colour('map-ground'),
    card: colour('card'),
    ink: colour('ink'),
    muted: colour('muted'),
    rule: colour('line'),
    line: colour('map-line'),
    under: { water: colour('under-water'), land: colour('under-land'), road: colour('under-road') },
    border: colour('map-border'),
    casing: colour('map-casing'),
    accent: colour('accent'),
    series: colour('series'),
    short: colour('short-fill'),
    onShort: colour('short-ink'),
    shortInk: colour('short-hatch'),
    noFigure: colour('no-figure'),
    hotspotLine: colour('hotspot-line'),
    gap: gap[name],
    steps: { blue: steps.blue[name], teal: steps.teal[name], purple: steps.purple[name], amber: steps.amber[name], rose: steps.rose[name] },
  };
}

/** Black or white, whichever can be read on this colour; one of them always reaches 4.5 to 1. */
export function inkOn(colour: string): '#000000' | '#ffffff' {
  return luminance(colour) > 0.179 ? '#000000' : '#ffffff';
}

/** A colour some way towards another: 0 is the first, 1 the second. */
export function mixed(colour: string, towards: string, share: number): string {
  const channel = (from: number) => {
    const [a, b] = [parseInt(colour.slice(from, from + 2), 16), parseInt(towards.slice(from, from + 2), 16)];
    return Math.round(a + (b - a) * share).toString(16).padStart(2, '0');
  };
  return `#${channel(1)}${channel(3)}${channel(5)}`;
}

/** Relative luminance as WCAG 2 defines it. */
export function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((from) => {
    const channel = parseInt(colour.slice(from, from + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
