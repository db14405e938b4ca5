/** News while people look: what came since the plan, laid over the coming hours of the map, and how old it is. */

import { byId, make, setText } from './dom';
import { ageText } from './periods';

/** The next hours as they were last made: by grade, place and hour, with what has come since the plan. */
export interface Live {
  format: string;
  made_at: number;
  at: number;
  run_id: string;
  events_waiting: number;
  arrivals_until: number;
  starting: number[];
  places: string[];
  grades: Record<string, Record<'late' | 'waiting' | 'waiting_p10' | 'waiting_p90', (number | null)[][]>>;
  units_on_duty: (number | null)[][];
  units_at_work: (number | null)[][];
}

/** How long after the service refused to be listened to, because its database is away, it is asked again. */
const AGAIN_MS = 5000;
/** Figures older than this are told as old: nothing has come for longer than a control room is ever silent. */
const QUIET_SECONDS = 20 * 60;

export class LiveHours {
  private readonly hourOf: Map<number, number>;
  private readonly placeOf: Map<string, number>;

  constructor(readonly live: Live) {
    this.hourOf = new Map(live.starting.map((start, at) => [start, at]));
    this.placeOf = new Map(live.places.map((place, at) => [place, at]));
  }

  /** Logs waiting as an hour begins, in a pool or in the force; null for hours that are not simulated from now on. */
  waiting(place: string, start: number): { mean: number; low: number; high: number } | null {
    const all = this.live.grades['all'];
    const [of, at] = [this.placeOf.get(place), this.hourOf.get(start)];
    if (all === undefined || of === undefined || at === undefined) return null;
    const mean = all.waiting[of]?.[at];
    if (mean === null || mean === undefined) return null;
    return { mean, low: all.waiting_p10[of]?.[at] ?? mean, high: all.waiting_p90[of]?.[at] ?? mean };
  }

  /** The share of an hour's calls that will be late, of each grade that has a target, the most urgent first. */
  late(place: string, start: number): { grade: string; share: number }[] {
    const [of, at] = [this.placeOf.get(place), this.hourOf.get(start)];
    if (of === undefined || at === undefined) return [];
    return Object.keys(this.live.grades)
      .filter((grade) => grade !== 'all')
      .sort()
      .flatMap((grade) => {
        const share = this.live.grades[grade]?.late[of]?.[at];
        return share === null || share === undefined ? [] : [{ grade, share }];
      });
  }
}

/** Says beside the period how old what came last is, and how much of it is newer than the last import. */
export function describeLive(live: Live, now: number): void {
  let said = document.getElementById('about-live');
  if (said === null) {
    said = make('span', { id: 'about-live' });
    byId('about-run').append(said);
  }
  const age = Math.max(0, now - live.at);
  const old = age < 90 ? 'just now' : age < 5400 ? `${Math.round(age / 60)} minutes old` : ageText(age);
  setText(said, `live: last news ${old}${live.events_waiting > 0 ? `, ${live.events_waiting} not imported yet` : ''}`);
  said.classList.toggle('is-stale', age > QUIET_SECONDS);
  // Whoever sent something can tell from the page that it is in what is shown.
  said.dataset['arrivals'] = String(live.arrivals_until);
}

/** What the service says of itself when a page begins to listen, and whenever there is something new. */
interface News {
  runs: number;
  is_live: boolean;
}

/**
 * Listens for news: asks for the next hours each time they were made again, where the service makes them, and says when
 * there is another run. While the line is broken, it is tried again and again.
 */
export function listenForNews(tell: (live: Live) => void, isNewRun: () => void): void {
  let [asked, runs] = [0, -1];
  const fetchFigures = async (): Promise<void> => {
    const mine = ++asked;
    const answer = await fetch('/api/live.json');
    if (!answer.ok || mine !== asked) return;
    const found = (await answer.json()) as Live;
    if (found.format === 'bluelamp-live/1') tell(found);
  };
  const hear = (event: MessageEvent<string>): void => {
    const news = JSON.parse(event.data) as News;
    if (runs >= 0 && news.runs !== runs) isNewRun();
    runs = news.runs;
    if (news.is_live) void fetchFigures().catch((error: unknown) => console.warn(error));
  };
  const listen = () => {
    const source = new EventSource('/api/live');
    source.addEventListener('here', hear);
    source.addEventListener('news', hear);
    // A browser tries again by itself where the line breaks, but not where it was told that the database is away.
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
    });
  };
  listen();
}
