/**
 * Hours as people live them: local days of 23, 24 or 25 hours, weeks, runs of hours, each with its zone.
 *
 * An hour is known everywhere by its index in the run. Wall-clock text comes from the run itself, never from the
 * browser's own time zone, because the person looking may sit in another one.
 */

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'] as const;

export interface WallHour {
  index: number;
  starting: number;
  date: string;
  hour: number;
  minute: number;
  zone: string;
}

export interface Day {
  date: string;
  hours: WallHour[];
}

export interface Week {
  days: Day[];
  first: number;
  last: number;
}

/** One column of a day: usually one hour; two where the clock goes back; none where it goes forward or outside the run. */
export interface HourColumn {
  hour: number;
  hours: WallHour[];
  /** The clock jumps over this hour: it does not exist on this day. */
  skipped: boolean;
}

export class Calendar {
  readonly hours: WallHour[];
  readonly days: Day[];
  readonly weeks: Week[];
  private readonly dayOfHour: number[] = [];
  private readonly lastEnd: string;

  constructor(source: { starting: number[]; local: string[]; zone: string[] }) {
    this.hours = source.local.map((text, index) => ({ index, starting: source.starting[index] ?? 0, zone: source.zone[index] ?? '', ...readWall(text) }));
    this.days = [];
    for (const hour of this.hours) {
      if (this.days.at(-1)?.date !== hour.date) this.days.push({ date: hour.date, hours: [] });
      this.days.at(-1)?.hours.push(hour);
      this.dayOfHour.push(this.days.length - 1);
    }
    this.weeks = splitWeeks(this.days);
    const final = this.hours.at(-1);
    this.lastEnd = final ? clock((final.hour + 1) % 24, final.minute) : '';
  }

  at(index: number): WallHour {
    const found = this.hours[Math.min(Math.max(index, 0), this.hours.length - 1)];
    if (!found) throw new RangeError('a calendar needs at least one hour');
    return found;
  }

  dayIndex(hour: number): number {
    return this.dayOfHour[hour] ?? 0;
  }

  weekIndex(hour: number): number {
    return Math.max(0, this.weeks.findIndex(({ first, last }) => hour >= first && hour <= last));
  }

  /** The hour in which an instant falls, or null outside the run. */
  hourAt(unixSeconds: number): number | null {
    const found = this.hours.findLastIndex(({ starting }) => starting <= unixSeconds);
    if (found < 0) return null;
    return found === this.hours.length - 1 && unixSeconds >= this.at(found).starting + 3600 ? null : found;
  }

  /**
   * The same hour of the clock some days away.
   *
   * Where the clock goes forward the hour may not exist there: the next one that does is taken. Where it goes back
   * the hour comes twice: the first is taken, unless we stand on a second one already and the other day has one too.
   */
  sameHourAnotherDay(index: number, days: number): number {
    const here = this.at(index);
    const day = this.days[this.dayIndex(index) + days];
    if (!day) return days < 0 ? 0 : this.hours.length - 1;
    const twin = (this.days[this.dayIndex(index)]?.hours ?? []).filter(({ hour }) => hour === here.hour).findIndex((hour) => hour.index === index);
    const same = day.hours.filter(({ hour }) => hour === here.hour);
    const later = day.hours.find(({ hour }) => hour > here.hour);
    return (same[twin] ?? same[0] ?? later ?? day.hours.at(-1) ?? here).index;
  }

  /** The 24 columns of a day on the wall clock. */
  columns(day: Day): HourColumn[] {
    const first = day.hours[0];
    const last = day.hours.at(-1);
    return Array.from({ length: 24 }, (_, hour) => {
      const hours = day.hours.filter((candidate) => candidate.hour === hour);
      const within = first !== undefined && last !== undefined && hour > first.hour && hour < last.hour;
      // The run is cut at its ends; only between two of its own hours is an hour missing because the clock jumped.
      return { hour, hours, skipped: hours.length === 0 && (within || this.jumpsOver(day, hour)) };
    });
  }

  /** "Fri 27 Nov 20:00–21:00 GMT". */
  hourLabel(index: number): string {
    return `${this.dayLabel(index)} ${this.span(index)}`;
  }

  /** "Friday 27 November 2026, 20:00–21:00 GMT". */
  longHourLabel(index: number): string {
    return `${longDate(this.at(index).date)}, ${this.span(index)}`;
  }

  /** "20:00–21:00 GMT", or "01:00 BST–01:00 GMT" where the clock changes. */
  span(index: number): string {
    return this.spanOf(index, index + 1);
  }

  dayLabel(index: number): string {
    return shortDate(this.at(index).date);
  }

  /** "Fri 27 Nov 20:00–02:00", "Fri 27 Nov 20:00 – Sun 29 Nov 02:00" where it lasts longer than a night. */
  runLabel(from: number, to: number): string {
    if (to - from <= 18) return `${this.dayLabel(from)} ${this.spanOf(from, to, false)}`;
    return `${this.dayLabel(from)} ${this.startClock(from)} – ${shortDate(this.endDate(to))} ${this.endClock(to)}`;
  }

  /** "Mon 23 Nov 18:00 GMT – Mon 7 Dec 18:00 GMT", the zone once where it stays the same. */
  periodLabel(from: number, to: number): string {
    const [zoneFrom, zoneTo] = [this.at(from).zone, this.at(to - 1).zone];
    const start = `${this.dayLabel(from)} ${this.startClock(from)}${zoneFrom === zoneTo ? '' : ` ${zoneFrom}`}`;
    return `${start} – ${shortDate(this.endDate(to))} ${this.endClock(to)} ${zoneTo}`;
  }

  /** When the hour before this one ends, with its year: "Mon 7 Dec 2026 18:00 GMT". */
  endLabel(to: number): string {
    const date = this.endDate(to);
    return `${shortDate(date)} ${date.slice(0, 4)} ${this.endClock(to)} ${this.at(to - 1).zone}`;
  }

  /** Where so many local days after an hour end: an index, or null where the run ends before. */
  daysAfter(hour: number, days: number): number | null {
    const then = this.dayIndex(hour) + days;
    if (then < this.days.length) return this.sameHourAnotherDay(hour, days);
    const begins = this.days[this.dayIndex(hour)]?.hours[0]?.index === hour;
    return then === this.days.length && begins ? this.hours.length : null;
  }

  startClock(index: number): string {
    const { hour, minute } = this.at(index);
    return clock(hour, minute);
  }

  private endClock(to: number): string {
    return to < this.hours.length ? this.startClock(to) : this.lastEnd;
  }

  private endDate(to: number): string {
    if (to < this.hours.length) return this.at(to).date;
    const final = this.at(to - 1);
    return final.hour === 23 ? shiftDate(final.date, 1) : final.date;
  }

  private spanOf(from: number, to: number, withZone = true): string {
    const zoneFrom = this.at(from).zone;
    // The last hour of the run is taken to end in the zone in which it began.
    const zoneTo = to < this.hours.length ? this.at(to).zone : this.at(to - 1).zone;
    if (zoneFrom !== zoneTo) return `${this.startClock(from)} ${zoneFrom}–${this.endClock(to)} ${zoneTo}`;
    return `${this.startClock(from)}–${this.endClock(to)}${withZone ? ` ${zoneFrom}` : ''}`;
  }

  private jumpsOver(day: Day, hour: number): boolean {
    const first = day.hours[0];
    const before = first && first.index > 0 ? this.at(first.index - 1) : undefined;
    // Zones that change at midnight skip the first hours of the day.
    return first !== undefined && before !== undefined && hour < first.hour && before.date < day.date;
  }
}

function readWall(text: string): { date: string; hour: number; minute: number } {
  return { date: text.slice(0, 10), hour: Number(text.slice(11, 13)), minute: Number(text.slice(14, 16)) };
}

/** Weeks of seven local days; what is left of a day at the end joins the last week, so that no hour is lost. */
function splitWeeks(days: Day[]): Week[] {
  const weeks: Week[] = [];
  const whole = Math.max(1, Math.floor(days.length / 7));
  for (let week = 0; week < whole; week++) {
    const own = days.slice(week * 7, week === whole - 1 ? undefined : week * 7 + 7);
    weeks.push({ days: own, first: own[0]?.hours[0]?.index ?? 0, last: own.at(-1)?.hours.at(-1)?.index ?? 0 });
  }
  return weeks;
}

function atNoon(date: string): Date {
  return new Date(`${date}T12:00:00Z`);
}

export function shiftDate(date: string, days: number): string {
  return new Date(atNoon(date).getTime() + days * 86_400_000).toISOString().slice(0, 10);
}

/** "Fri 27 Nov". */
export function shortDate(date: string): string {
  const day = atNoon(date);
  return `${WEEKDAYS[day.getUTCDay()]?.slice(0, 3)} ${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]?.slice(0, 3)}`;
}

/** "Friday 27 November 2026". */
export function longDate(date: string): string {
  const day = atNoon(date);
  return `${WEEKDAYS[day.getUTCDay()]} ${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]} ${day.getUTCFullYear()}`;
}

export function weekdayOf(date: string): string {
  return WEEKDAYS[atNoon(date).getUTCDay()]?.slice(0, 3) ?? '';
}

export function clock(hour: number, minute: number): string {
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
}

/** Local date and time of instants, for what lies before the run. Zones the browser does not know are read as UTC. */
export function wallClockOf(timeZone: string): (unixSeconds: number) => { date: string; hour: number; minute: number } {
  const options: Intl.DateTimeFormatOptions = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-GB', { ...options, timeZone });
  } catch {
    format = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' });
  }
  return (unixSeconds) => {
    const part = Object.fromEntries(format.formatToParts(unixSeconds * 1000).map(({ type, value }) => [type, value]));
    return { date: `${part['year']}-${part['month']}-${part['day']}`, hour: Number(part['hour']), minute: Number(part['minute']) };
  };
}

/** "22 November 2026, 23:00 (Europe/London)". */
export function momentLabel(instant: string, timeZone: string): string {
  const { date, hour, minute } = wallClockOf(timeZone)(Date.parse(instant) / 1000);
  return `${longDate(date).replace(/^\S+ /, '')}, ${clock(hour, minute)} (${timeZone})`;
}

/** "under 1 hour old", "3 hours old", "2 days old", "4 months old", "5 years old". */
export function ageText(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  if (hours < 1) return 'under 1 hour old';
  if (hours < 48) return hours === 1 ? '1 hour old' : `${hours} hours old`;
  const days = Math.floor(hours / 24);
  if (days < 61) return `${days} days old`;
  return days < 731 ? `${Math.floor(days / 30.44)} months old` : `${Math.floor(days / 365.25)} years old`;
}
