import { expect, test } from 'vitest';
import { classesOf, gapScale, lateBounds, boundedScale, roundBounds, scaleFor } from '../src/scales';
import { inkOn, luminance, mixed, THEMES } from '../src/theme';
import { VIEWS } from '../src/wording';
import { makeUp } from './made-up';

test('small gaps get a class a unit', () => {
  const scale = gapScale(4);
  expect(scale.labels).toEqual(['≤ −4', '−3', '−2', '−1', '0', '+1', '+2', '+3', '≥ +4']);
  expect([-9, -4, -1, 0, 1, 4, 30].map(scale.classOf)).toEqual([0, 0, 3, 4, 5, 8, 8]);
});

test('large gaps get wider classes in whole units, and nought keeps its own', () => {
  const scale = gapScale(8);
  expect(scale.labels.slice(0, 5)).toEqual(['≤ −7', '−6 to −5', '−4 to −3', '−2 to −1', '0']);
  expect([-1, -2, -3, -6, -7].map(scale.classOf)).toEqual([3, 3, 2, 1, 0]);
});

test('every shortage is hatched and nothing else is', () => {
  const scale = gapScale(5);
  for (let gap = -12; gap <= 12; gap++) expect(scale.classOf(gap) < (scale.short?.below ?? 0), String(gap)).toBe(gap < 0);
});

test('bounds are round and part what is there', () => {
  expect(roundBounds(Array.from({ length: 100 }, (_, index) => index / 100))).toEqual([0.2, 0.4, 0.6, 0.8]);
  expect(roundBounds([0, 0, 0])).toEqual([1]);
  expect(roundBounds([])).toEqual([1]);
});

test('a value on a bound belongs to the class above it, as the legend says', () => {
  const scale = boundedScale([0.1, 0.2], 'blue', String);
  expect([0, 0.0999, 0.1, 0.2, Infinity].map(scale.classOf)).toEqual([0, 0, 1, 2, 2]);
  expect(scale.labels).toEqual(['< 0.1', '0.1–0.2', '≥ 0.2']);
});

test('the share of late calls that the standard allows is a bound', () => {
  expect(lateBounds(0.1)).toContain(0.1);
  expect(lateBounds(0.15)).toContain(0.15);
  expect(lateBounds(null)).toHaveLength(6);
  expect(lateBounds(0.15)).toHaveLength(6);
});

test('an area is coloured by the pool that covers it, night pools by night', () => {
  const map = makeUp();
  const scale = scaleFor(map, VIEWS.gap, 'area');
  const classes = classesOf(map, VIEWS.gap, scale);
  const at = (hour: number, area: number) => scale.labels[classes[hour * 2 + area] ?? -1];
  expect([at(0, 0), at(0, 1), at(4, 0), at(4, 1)]).toEqual(['−2', '+1', '−1', '−1']);
});

test('text on any colour that is drawn reaches 4.5 to 1', () => {
  for (const theme of Object.values(THEMES)) {
    for (const colour of [...theme.gap, ...Object.values(theme.steps).flat(), theme.noFigure]) {
      const [a, b] = [luminance(colour), luminance(inkOn(colour))].sort((one, other) => other - one);
      expect(((a ?? 0) + 0.05) / ((b ?? 0) + 0.05), `${theme.name} ${colour}`).toBeGreaterThanOrEqual(4.5);
    }
  }
});

test('a ramp rises in lightness one way, so that it can be read without colour', () => {
  for (const theme of Object.values(THEMES)) {
    for (const [name, ramp] of Object.entries(theme.steps)) {
      const light = ramp.map(luminance);
      const sorted = [...light].sort((a, b) => (theme.name === 'light' ? b - a : a - b));
      expect(light, `${theme.name} ${name}`).toEqual(sorted);
    }
  }
});

test('colours mix towards another', () => {
  expect(mixed('#000000', '#ffffff', 0.5)).toBe('#808080');
  expect(mixed('#102030', '#ffffff', 0)).toBe('#102030');
});
