/** What a reader must know before trusting the map: how old its data is, what could not be drawn, what the run says. */

import type { ForceMap } from './decode';
import { ageText, longDate, wallClockOf, type Calendar } from './periods';

const STALE_AFTER_SECONDS = 24 * 3600;

export interface Note {
  text: string;
  isWarning: boolean;
}

/** Seconds since the data of these figures ended; none where it ends in the future, as a made-up force's may. */
export function ageOf(map: ForceMap, now: number): number {
  return Math.max(0, now - Date.parse(map.run.data_until) / 1000);
}

export function isStale(map: ForceMap, now: number): boolean {
  return ageOf(map, now) > STALE_AFTER_SECONDS;
}

/** The notes in the order in which they are read, the page's own before the run's. */
export function notesOf(map: ForceMap, calendar: Calendar, now: number): Note[] {
  const { run } = map;
  const said = (what: RegExp) => run.notes.some((note) => what.test(note));
  const age = noteOnAge(map, calendar, now);
  const own = [
    !run.has_duties && !said(/dut/i) && 'No duties were given, so the map shows what is required and not what is missing.',
    run.geography === 'approximate' && !said(/approximate/i) && 'Boundaries are approximate: drawn from labelled points.',
  ].filter((text) => text !== false);
  return [...(age === null ? [] : [{ text: age, isWarning: true }]), ...[...own, ...run.notes].map((text) => ({ text, isWarning: false }))];
}

/** A plan only reaches as far as its data: planning again without newer incidents gives the same fortnight again. */
function noteOnAge(map: ForceMap, calendar: Calendar, now: number): string | null {
  const next = 'Import newer incidents, then plan again.';
  const isOver = now >= (map.hours.starting.at(-1) ?? 0) + 3600;
  if (isOver) return `The period shown is over: it ended ${calendar.endLabel(map.hourCount)}, because the data ends on ${lastDayOfData(map)}. ${next}`;
  if (!isStale(map, now)) return null;
  return `The data ends on ${lastDayOfData(map)} (${ageText(ageOf(map, now))}): what has happened since is not in these figures. ${next}`;
}

/** "Sunday 22 November 2026": the local day of the last hour with data. */
function lastDayOfData(map: ForceMap): string {
  return longDate(wallClockOf(map.force.time_zone)(Date.parse(map.run.data_until) / 1000 - 1).date);
}

/** Why there is no map, and where the figures are instead. */
export function wordsForNoMap(map: ForceMap): string {
  if (map.run.geography === 'none') return 'This force is counted as one area, so there is no map to draw. The grid below shows every hour.';
  return 'The areas of this force are known by name alone, so they can’t be drawn on a map until their boundaries are given. All their figures are here: in the table, in “Find an area”, and in the grid and the chart of the area that you choose.';
}
