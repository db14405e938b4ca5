/// <reference types="node" />

/** Colours that can be told apart, by everyone and on paper without colour; and none but those of tokens.json. */

import { differenceCiede2000, filterDeficiencyDeuter, filterDeficiencyProt, filterDeficiencyTrit, lab, parse, wcagContrast, type Color } from 'culori';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import tokens from '../src/tokens.json';

interface Token {
  light: string;
  dark: string;
  ground?: boolean;
  text_on?: string[];
  shape_on?: string[];
  trim?: string;
}

const THEMES = ['light', 'dark'] as const;
const COLOURS = tokens.colour as Record<string, Token>;
const RAMPS = { ...tokens.ramp, ...tokens.set };
/** Nobody's eyes, and the three kinds of eyes that lack one kind of cone, wholly: Machado, Oliveira and Fernandes 2009. */
const EYES: Record<string, (colour: Color) => Color> = {
  usual: (colour) => colour,
  protanopia: filterDeficiencyProt(1) as (colour: Color) => Color,
  deuteranopia: filterDeficiencyDeuter(1) as (colour: Color) => Color,
  tritanopia: filterDeficiencyTrit(1) as (colour: Color) => Color,
};
/** CIEDE2000: 1 can just be told apart side by side; this much also across a map. */
const NEIGHBOURS_APART = 5;
const KINDS_APART = 10;
/** CIE lightness, of 100: as much between neighbours, so that a scale is read in greyscale. */
const LIGHTNESS_APART = 8;

const difference = differenceCiede2000();
const seen = (colour: string, eyes: string): Color => (EYES[eyes] as (colour: Color) => Color)(parse(colour) as Color);
const apart = (one: string, other: string, eyes: string) => difference(seen(one, eyes), seen(other, eyes));
const lightness = (colour: string) => lab(colour)?.l ?? NaN;
const neighbours = (ramp: readonly string[]) => ramp.slice(1).map((colour, at) => [ramp[at] as string, colour] as const);
const of = (name: string, theme: (typeof THEMES)[number]) => (COLOURS[name] ?? expect.fail(`there is no colour '${name}'`))[theme];

test('every colour says what it is for', () => {
  for (const [name, { ground, text_on, shape_on, trim }] of Object.entries(COLOURS)) expect([ground, text_on, shape_on, trim].some(Boolean), name).toBe(true);
});

test.each(THEMES)('letters and shapes stand out from every ground they are put on, %s', (theme) => {
  for (const [name, { text_on = [], shape_on = [] }] of Object.entries(COLOURS)) {
    for (const ground of text_on) expect(wcagContrast(of(name, theme), of(ground, theme)), `${name} as text on ${ground}`).toBeGreaterThanOrEqual(4.5);
    for (const ground of shape_on) expect(wcagContrast(of(name, theme), of(ground, theme)), `${name} as a shape on ${ground}`).toBeGreaterThanOrEqual(3);
  }
});

test.each(THEMES)('neighbouring classes are told apart by all eyes, %s', (theme) => {
  for (const [name, ramp] of Object.entries(tokens.ramp)) {
    for (const eyes of Object.keys(EYES)) {
      for (const [one, other] of neighbours(ramp[theme])) expect(apart(one, other, eyes), `${name}: ${one} beside ${other}, ${eyes}`).toBeGreaterThanOrEqual(NEIGHBOURS_APART);
    }
  }
});

test.each(THEMES)('a scale of one hue gets steadily darker or lighter, so that it is read in greyscale, %s', (theme) => {
  for (const [name, ramp] of Object.entries(tokens.ramp).filter(([name]) => name !== 'gap')) {
    const towards = theme === 'light' ? -1 : 1;
    for (const [one, other] of neighbours(ramp[theme])) expect(towards * (lightness(other) - lightness(one)), `${name}: ${one} before ${other}`).toBeGreaterThanOrEqual(LIGHTNESS_APART);
  }
});

test.each(THEMES)('both arms of the gap move away from nought in lightness; hatch and number say which arm it is, %s', (theme) => {
  const arms = [tokens.ramp.gap[theme].slice(0, 5).reverse(), tokens.ramp.gap[theme].slice(4)];
  const towards = theme === 'light' ? -1 : 1;
  for (const arm of arms) for (const [one, other] of neighbours(arm)) expect(towards * (lightness(other) - lightness(one)), `${one} before ${other}`).toBeGreaterThanOrEqual(LIGHTNESS_APART);
});

test.each(THEMES)('kinds are told apart by all eyes, and as shapes from the card, %s', (theme) => {
  const kinds = tokens.set.kind[theme];
  for (const colour of kinds) expect(wcagContrast(colour, of('card', theme)), colour).toBeGreaterThanOrEqual(3);
  for (const eyes of Object.keys(EYES)) {
    kinds.forEach((one, at) => kinds.slice(at + 1).forEach((other) => expect(apart(one, other, eyes), `${one} and ${other}, ${eyes}`).toBeGreaterThanOrEqual(KINDS_APART)));
  }
});

test.each(THEMES)('districts side by side are told apart by all eyes, and their names are read on them, %s', (theme) => {
  const districts = tokens.set.district[theme];
  for (const colour of districts) expect(wcagContrast(of('ink', theme), colour), colour).toBeGreaterThanOrEqual(4.5);
  for (const eyes of Object.keys(EYES)) {
    districts.forEach((one, at) => districts.slice(at + 1).forEach((other) => expect(apart(one, other, eyes), `${one} and ${other}, ${eyes}`).toBeGreaterThanOrEqual(NEIGHBOURS_APART)));
  }
});

test.each(THEMES)('black or white is read on every step of every scale, %s', (theme) => {
  for (const ramp of Object.values(RAMPS)) for (const colour of ramp[theme]) expect(Math.max(wcagContrast(colour, '#000000'), wcagContrast(colour, '#ffffff')), colour).toBeGreaterThanOrEqual(4.5);
});

const SOURCES = ['src', '../src/bluelamp/web/templates'];
// The icon of a tab stands in an address, where no sheet reaches.
const WITHOUT_SHEET = ['icon.html'];
// Compared with to choose what is read on a colour; what a chart's parameter is until the page sets it.
const NOT_CHOSEN = new Map([['theme.ts', ['#000000', '#ffffff']], ['chart-spec.mjs', ['#888888']]]);

test('colours and sizes of letters come from the tokens alone', () => {
  const strays: string[] = [];
  for (const folder of SOURCES) {
    const root = new URL(`../${folder}/`, import.meta.url);
    for (const name of readdirSync(root).filter((name) => /\.(css|ts|mjs|html)$/.test(name) && !WITHOUT_SHEET.includes(name))) {
      const text = readFileSync(new URL(name, root), 'utf8');
      for (const [colour] of text.matchAll(/(?<![\w&])#[0-9a-f]{6}(?:[0-9a-f]{2})?\b/gi)) if (!NOT_CHOSEN.get(name)?.includes(colour)) strays.push(`${name}: ${colour}`);
      if (name.endsWith('.css')) for (const [size] of text.matchAll(/font-size: [\d.]+rem/g)) strays.push(`${name}: ${size}`);
    }
  }
  expect(strays).toEqual([]);
});

test('every token is used', () => {
  const sheets = [...readdirSync(new URL('../src/', import.meta.url))].filter((name) => /\.(css|ts)$/.test(name)).map((name) => readFileSync(new URL(`../src/${name}`, import.meta.url), 'utf8'));
  const pages = readdirSync(new URL('../../src/bluelamp/web/templates/', import.meta.url)).map((name) => readFileSync(new URL(`../../src/bluelamp/web/templates/${name}`, import.meta.url), 'utf8'));
  const text = [...sheets, ...pages].join('\n');
  const names = [...Object.keys(tokens.colour), ...Object.keys(tokens.text).map((name) => `text-${name}`), ...Object.keys(tokens.space)];
  expect(names.filter((name) => !text.includes(`var(--${name})`) && !text.includes(`colour('${name}')`))).toEqual([]);
});
