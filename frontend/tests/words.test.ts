import { expect, test } from 'vitest';
import { words, writeCsv } from '../src/export';
import { findEntries } from '../src/find';
import { keysTaken } from '../src/keys';
import { Calendar } from '../src/periods';
import { linesOf, percent, percentRange, plain, range, shortNames, signed, timeSpan, valueOf, VIEWS } from '../src/wording';
import { ALL_ROLES, WHOLE_FORCE } from '../src/decode';
import { makeUp } from './made-up';

test('a gap always says its sign, with a minus and not a hyphen', () => {
  expect([-3, 0, 2, -0.4].map((value) => signed(value))).toEqual(['−3', '0', '+2', '0']);
});

test('what is possible is never called 0% or 100%', () => {
  expect([0, 0.0004, 0.004, 0.38, 0.998, 1].map(percent)).toEqual(['0%', '<0.1%', '0.4%', '38%', '>99%', '100%']);
});

test('ranges can be read aloud', () => {
  expect(range('−5', '−1')).toBe('−5 to −1');
  expect(range('2', '4')).toBe('2–4');
  expect(percentRange(0.22, 0.57)).toBe('22–57%');
});

test('figures keep the digits that mean something', () => {
  expect([0, 0.412, 3.44, 13.6, -0.5].map(plain)).toEqual(['0', '0.41', '3.4', '14', '−0.50']);
});

test('words that all names share are said once', () => {
  expect(shortNames(['City response', 'North Moor response'])).toEqual({ names: ['City', 'North Moor'], shared: 'response' });
  expect(shortNames(['Response by night, City', 'Response by night, Vale and Fen'])).toEqual({ names: ['City', 'Vale and Fen'], shared: 'Response by night' });
  expect(shortNames(['City', 'Vale'])).toEqual({ names: ['City', 'Vale'], shared: '' });
  expect(shortNames(['City response'])).toEqual({ names: ['City response'], shared: '' });
  expect(shortNames(['District 1 response', 'District 12 response'])).toEqual({ names: ['District 1', 'District 12'], shared: 'response' });
  expect(shortNames(['Section A', 'Section B'])).toEqual({ names: ['Section A', 'Section B'], shared: '' });
  expect(shortNames(['City', 'City'])).toEqual({ names: ['City', 'City'], shared: '' });
});

test('a target of many hours is told in hours', () => {
  expect([15, 60, 90, 120, 1440].map(timeSpan)).toEqual(['15 min', '60 min', '90 min', '2 h', '24 h']);
});

test('a long name takes two lines of about one length', () => {
  expect(linesOf('Whistlebridge')).toEqual(['Whistlebridge']);
  expect(linesOf('Lantern City and Whistlebridge')).toEqual(['Lantern City and', 'Whistlebridge']);
  expect(linesOf('Llanfairpwllgwyngyll')).toEqual(['Llanfairpwllgwyngyll']);
});

test('the force’s gap is its worst pool’s, never a sum in which surplus hides shortage', () => {
  const map = makeUp();
  expect(valueOf(map, VIEWS.gap, WHOLE_FORCE, 0)).toBe(-2);
  expect(valueOf(map, VIEWS.gap, ALL_ROLES, 4)).toBe(-1);
  expect(valueOf(map, VIEWS.gap, { scope: 'area', index: 1 }, 0)).toBe(1);
});

test('the CSV holds exact values, local time with its zone, and the covering pool', () => {
  const map = makeUp();
  const lines = writeCsv(map, new Calendar(map.hours), 'area', [2]).split('\r\n');
  expect(lines[0]).toBe('area_id,area_name,district,area_kind,covering_pool_id,hour_starting,hour_starting_local,zone,incidents_mean,chance_late,covering_pool_units_gap,covering_pool_units_required,covering_pool_binds');
  expect(lines[1]).toBe('a,Ashley,West,urban,w,2026-11-27T20:00:00Z,2026-11-27 20:00,GMT,0.412,0.1000,-2,5,demand');
  expect(lines).toHaveLength(4);
});

test('the CSV of pools holds those on duty', () => {
  const map = makeUp();
  const lines = writeCsv(map, new Calendar(map.hours), 'pool', [0, 4]).trim().split('\r\n');
  expect(lines.slice(1).map((line) => line.split(',')[0])).toEqual(['w', 'e', 'n']);
});

test('a name cannot run as a formula in a spreadsheet', () => {
  expect(words('=1+1')).toBe("'=1+1");
  expect(words('@me, "you"')).toBe('"\'@me, ""you"""');
  expect(words('Ashley')).toBe('Ashley');
});

test('finding ignores accents and case, and names that begin so come first', () => {
  const entry = (name: string) => ({ name, sought: name.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase() });
  const entries = ['Bramholt', 'Hólt End', 'East Holt', 'Vale'].map(entry);
  expect(findEntries(entries, 'HOLT').map(({ name }) => name)).toEqual(['Hólt End', 'East Holt', 'Bramholt']);
  expect(findEntries(entries, '')).toHaveLength(4);
});

test('keys stay out of the way of what has the focus', () => {
  expect(keysTaken({ tagName: 'INPUT', type: 'text' })).toBe('all');
  expect(keysTaken({ tagName: 'INPUT', type: 'radio' })).toBe('arrows');
  expect(keysTaken({ tagName: 'INPUT', type: 'range' })).toBe('slider');
  expect(keysTaken({ tagName: 'BUTTON' })).toBe('space');
  expect(keysTaken({ tagName: 'DIV', isContentEditable: true })).toBe('all');
  expect(keysTaken({ tagName: 'BODY' })).toBe('none');
  expect(keysTaken(null)).toBe('none');
});
