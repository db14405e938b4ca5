import { expect, test } from 'vitest';
import { ageText, Calendar, momentLabel, wallClockOf } from '../src/periods';
import { makeUp } from './made-up';

const calendarOf = (start: string, hours: number, timeZone = 'Europe/London') => new Calendar(makeUp({ start, hours, timeZone }).hours);

test('an ordinary hour says its zone', () => {
  const calendar = calendarOf('2026-11-27T18:00Z', 48);
  expect(calendar.hourLabel(2)).toBe('Fri 27 Nov 20:00–21:00 GMT');
  expect(calendar.longHourLabel(2)).toBe('Friday 27 November 2026, 20:00–21:00 GMT');
  expect(calendar.hourLabel(5)).toBe('Fri 27 Nov 23:00–00:00 GMT');
});

test('the hour that comes twice is shown twice, each with its zone', () => {
  const calendar = calendarOf('2026-10-24T23:00Z', 48);
  const sunday = calendar.days[0];
  expect(sunday?.hours).toHaveLength(25);
  const twice = sunday && calendar.columns(sunday)[1];
  expect(twice?.hours.map(({ zone }) => zone)).toEqual(['BST', 'GMT']);
  expect(calendar.hourLabel(1)).toBe('Sun 25 Oct 01:00 BST–01:00 GMT');
  expect(calendar.hourLabel(2)).toBe('Sun 25 Oct 01:00–02:00 GMT');
});

test('the hour that does not exist is blank and said to be skipped', () => {
  const calendar = calendarOf('2026-03-29T00:00Z', 47);
  const sunday = calendar.days[0];
  expect(sunday?.hours).toHaveLength(23);
  const columns = sunday ? calendar.columns(sunday) : [];
  expect(columns[1]).toMatchObject({ hours: [], skipped: true });
  expect(columns[0]?.hours).toHaveLength(1);
  expect(calendar.hourLabel(0)).toBe('Sun 29 Mar 00:00 GMT–02:00 BST');
});

test('no hour is lost or doubled in any zone and either change', () => {
  for (const timeZone of ['Europe/London', 'America/New_York', 'Asia/Kolkata', 'Australia/Adelaide', 'America/Santiago', 'Africa/Cairo', 'Pacific/Auckland', 'Asia/Kathmandu', 'America/St_Johns', 'UTC']) {
    for (const start of ['2026-03-05T00:00Z', '2026-03-24T00:00Z', '2026-04-01T00:00Z', '2026-09-01T00:00Z', '2026-09-24T00:00Z', '2026-10-20T00:00Z', '2026-10-28T00:00Z', '2026-12-25T00:00Z']) {
      const calendar = calendarOf(start, 336, timeZone);
      const shown = calendar.weeks.flatMap(({ days }) => days).flatMap((day) => calendar.columns(day).flatMap(({ hours }) => hours.map(({ index }) => index)));
      expect(shown, `${timeZone} ${start}`).toEqual(Array.from({ length: 336 }, (_, index) => index));
    }
  }
});

test('hours before and after the run are outside it, not skipped', () => {
  const calendar = calendarOf('2026-11-27T18:00Z', 48);
  const first = calendar.days[0];
  expect(first && calendar.columns(first)[3]).toMatchObject({ hours: [], skipped: false });
});

test('fourteen days that begin in the evening make two weeks and lose nothing', () => {
  const calendar = calendarOf('2026-11-23T18:00Z', 336);
  expect(calendar.weeks.map(({ days }) => days.length)).toEqual([7, 8]);
  expect(calendar.weeks.map(({ first, last }) => [first, last])).toEqual([
    [0, 149],
    [150, 335],
  ]);
});

test('a day on is the same hour of the clock, over both changes', () => {
  const autumn = calendarOf('2026-10-24T11:00Z', 48);
  // Saturday noon to Sunday noon is 25 hours.
  expect(autumn.sameHourAnotherDay(0, 1)).toBe(25);
  expect(autumn.sameHourAnotherDay(25, -1)).toBe(0);
  const spring = calendarOf('2026-03-28T00:00Z', 72);
  // 01:00 on Saturday; Sunday has no 01:00, so 02:00.
  expect(spring.hourLabel(spring.sameHourAnotherDay(1, 1))).toBe('Sun 29 Mar 02:00–03:00 BST');
});

test('a day beyond the run is its end', () => {
  const calendar = calendarOf('2026-11-27T18:00Z', 48);
  expect(calendar.sameHourAnotherDay(3, -1)).toBe(0);
  expect(calendar.sameHourAnotherDay(40, 7)).toBe(47);
});

test('a run of hours is named by its ends', () => {
  const calendar = calendarOf('2026-11-27T18:00Z', 72);
  expect(calendar.runLabel(2, 8)).toBe('Fri 27 Nov 20:00–02:00');
  expect(calendar.runLabel(2, 40)).toBe('Fri 27 Nov 20:00 – Sun 29 Nov 10:00');
  expect(calendar.periodLabel(0, 72)).toBe('Fri 27 Nov 18:00 – Mon 30 Nov 18:00 GMT');
});

test('a period over a clock change names both zones', () => {
  expect(calendarOf('2026-10-19T17:00Z', 336).periodLabel(0, 336)).toBe('Mon 19 Oct 18:00 BST – Mon 2 Nov 17:00 GMT');
});

test('an instant finds its hour, and none outside the run', () => {
  const calendar = calendarOf('2026-11-27T18:00Z', 48);
  expect(calendar.hourAt(Date.parse('2026-11-27T19:59:59Z') / 1000)).toBe(1);
  expect(calendar.hourAt(Date.parse('2026-11-27T17:59:59Z') / 1000)).toBeNull();
  expect(calendar.hourAt(Date.parse('2026-11-29T18:00:00Z') / 1000)).toBeNull();
});

test('the wall clock of a zone is its own, half hours too', () => {
  expect(wallClockOf('Asia/Kolkata')(Date.parse('2026-11-27T18:45:00Z') / 1000)).toEqual({ date: '2026-11-28', hour: 0, minute: 15 });
  expect(wallClockOf('No/Such_Zone')(Date.parse('2026-11-27T18:45:00Z') / 1000)).toEqual({ date: '2026-11-27', hour: 18, minute: 45 });
});

test('fourteen local days are two weeks of seven, whatever the clock does in them', () => {
  for (const [start, hours, end] of [
    ['2026-03-23T00:00Z', 335, 'Mon 6 Apr 2026 00:00 BST'],
    ['2026-10-18T23:00Z', 337, 'Mon 2 Nov 2026 00:00 GMT'],
    ['2026-11-23T00:00Z', 336, 'Mon 7 Dec 2026 00:00 GMT'],
  ] as const) {
    const calendar = calendarOf(start, hours);
    expect(calendar.weeks.map(({ days }) => days.length)).toEqual([7, 7]);
    expect(calendar.endLabel(hours)).toBe(end);
    expect(calendar.daysAfter(0, 14)).toBe(hours);
  }
});

test('seven days on is the same hour by the clock, or nowhere where the run ends before', () => {
  const autumn = calendarOf('2026-10-18T23:00Z', 337);
  expect(autumn.daysAfter(0, 7)).toBe(169);
  expect(autumn.daysAfter(30, 7)).toBe(199);
  expect(autumn.daysAfter(169, 7)).toBe(337);
  expect(autumn.daysAfter(170, 7)).toBeNull();
});

test('a moment is told in the force’s own time, with its zone', () => {
  expect(momentLabel('2026-07-01T23:30:00Z', 'Europe/London')).toBe('2 July 2026, 00:30 (Europe/London)');
});

test('an age is said in hours, then in days, months and years', () => {
  expect(ageText(1800)).toBe('under 1 hour old');
  expect(ageText(3600)).toBe('1 hour old');
  expect(ageText(47 * 3600)).toBe('47 hours old');
  expect(ageText(49 * 3600)).toBe('2 days old');
  expect([60, 61, 730, 731, 1803].map((days) => ageText(days * 86_400))).toEqual(['60 days old', '2 months old', '23 months old', '2 years old', '4 years old']);
});
