import { expect, test } from 'vitest';
import { notesOf, wordsForNoMap } from '../src/notes';
import { Calendar } from '../src/periods';
import { makeUp } from './made-up';

type Wish = NonNullable<Parameters<typeof makeUp>[0]>;
const warningsAt = (now: string, wish: Wish = {}) => {
  const map = makeUp({ start: '2026-10-19T23:00Z', timeZone: 'Europe/London', ...wish });
  return notesOf(map, new Calendar(map.hours), Date.parse(now) / 1000).flatMap(({ text, isWarning }) => (isWarning ? [text] : []));
};

test('a plan that is over says where its data ends, and that newer incidents come before another plan', () => {
  expect(warningsAt('2026-11-22T12:00Z')).toEqual(['The period shown is over: it ended Thu 22 Oct 2026 00:00 BST, because the data ends on Monday 19 October 2026. Import newer incidents, then plan again.']);
});

test('the day on which the data ends is a local one', () => {
  // 04:00 UTC is the evening before in New York.
  expect(warningsAt('2026-11-22T12:00Z', { timeZone: 'America/New_York', dataUntil: '2026-10-19T03:00Z' })[0]).toContain('the data ends on Sunday 18 October 2026.');
});

test('old data is told while its plan still runs', () => {
  expect(warningsAt('2026-10-21T12:00Z')).toEqual(['The data ends on Monday 19 October 2026 (37 hours old): what has happened since is not in these figures. Import newer incidents, then plan again.']);
});

test('fresh data needs no warning, nor does data that ends in the future', () => {
  expect(warningsAt('2026-10-20T12:00Z')).toEqual([]);
  expect(warningsAt('2026-01-01T12:00Z')).toEqual([]);
});

test('what the run says itself is not said twice', () => {
  const texts = (notes: string[]) => {
    const map = makeUp({ geography: 'approximate', notes });
    return notesOf(map, new Calendar(map.hours), 0).map(({ text }) => text);
  };
  expect(texts([])).toEqual(['Boundaries are approximate: drawn from labelled points.']);
  expect(texts(['Boundaries are approximate: derived.'])).toEqual(['Boundaries are approximate: derived.']);
});

test('areas known by name alone are not called one area', () => {
  expect(wordsForNoMap(makeUp({ geography: 'names' }))).toMatch(/known by name alone.*in the table/);
  expect(wordsForNoMap(makeUp({ geography: 'none' }))).toMatch(/counted as one area/);
});
