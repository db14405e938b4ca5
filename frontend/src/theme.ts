/**
 * The colours that are drawn rather than styled: map, grid, slider strip and chart.
 *
 * style.css holds the same paper and ink for everything else; a canvas cannot read `light-dark()`.
 */

export type ThemeName = 'light' | 'dark';

export interface Theme {
  name: ThemeName;
  paper: string;
  card: string;
  ink: string;
  muted: string;
  line: string;
  border: string;
  accent: string;
  short: string;
  /** Text on the colour of a shortage, and the lines of its hatch. */
  onShort: string;
  shortInk: string;
  noFigure: string;
  /** From the worst shortage to the largest surplus; the middle one is "as many as required". */
  gap: readonly string[];
  /** From little to much, one hue a figure. */
  steps: Record<'blue' | 'teal' | 'purple' | 'amber' | 'rose', readonly string[]>;
}

export const THEMES: Record<ThemeName, Theme> = {
  light: {
    name: 'light',
    paper: '#e4e9ef',
    card: '#ffffff',
    ink: '#14202e',
    muted: '#4c5a6b',
    line: '#ffffff',
    border: '#24364b',
    accent: '#1256b8',
    short: '#b3330f',
    onShort: '#ffffff',
    shortInk: '#5a1402',
    noFigure: '#d9dfe6',
    gap: ['#b3330f', '#d9572b', '#ef8a5e', '#f9c3a5', '#f1f4f7', '#d3e3f2', '#a9cae6', '#78abd6', '#4a88bf'],
    steps: {
      blue: ['#eef4fb', '#d3e3f4', '#abcbe9', '#7badd9', '#4b89c4', '#2564a4', '#11427a'],
      teal: ['#ebf6f4', '#c8e7e1', '#98d0c7', '#62b3a8', '#359186', '#176e66', '#0a4c46'],
      purple: ['#f4f0fa', '#dfd5ef', '#c3b0e1', '#a385cd', '#825cb4', '#633b95', '#462171'],
      amber: ['#fbf3e4', '#f3dfb9', '#e7c483', '#d1a24f', '#b07f29', '#875c15', '#5c3c0a'],
      rose: ['#fdeef5', '#f9d0e3', '#f0a3c8', '#de6ca4', '#c2367f', '#971c60', '#620c3c'],
    },
  },
  dark: {
    name: 'dark',
    paper: '#0c1218',
    card: '#131b24',
    ink: '#e8eef5',
    muted: '#9fb0c3',
    line: '#0c1218',
    border: '#dfe8f2',
    accent: '#7db8ff',
    short: '#ff8a5c',
    onShort: '#250b00',
    shortInk: '#1d0700',
    noFigure: '#1b242e',
    gap: ['#ff8f63', '#dd6434', '#a8461f', '#6b3320', '#28333f', '#21405c', '#245a87', '#3579b0', '#5b9fd8'],
    steps: {
      blue: ['#18232f', '#1a3350', '#1f4a77', '#2967a5', '#4388cb', '#76b0e7', '#bcdcfa'],
      teal: ['#152522', '#163c37', '#17564f', '#1b7a70', '#2f9f93', '#64c6ba', '#b3ebe3'],
      purple: ['#1f1a2b', '#332651', '#4c3679', '#6a4da3', '#8c6fca', '#b39fe6', '#dfd5fa'],
      amber: ['#262017', '#40321a', '#61491c', '#8a671f', '#b78a30', '#deb35c', '#f8dfa7'],
      rose: ['#2c1822', '#4b1d36', '#74284f', '#a63a73', '#d25c9c', '#ee93c0', '#fdd3e6'],
    },
  },
};

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
