/**
 * The screen on the wall, which works without this: here it renews itself, and keeps its place while it does.
 *
 * The page is asked for again every minute, and when the service says that something has come in. What is new replaces
 * the main part: focus, what is folded open and how far tables are scrolled stay as they are.
 */

import './style.css';
import './data.css';
import './now.css';
import { byId, setText } from './dom';
import { keysTaken, singleKeysOn } from './keys';
import './views';
import { mapAddress } from './way-back';

const EVERY = 60_000;
// While the service works on new figures, and when news come in a burst.
const SOON = 4_000;
const PATIENCE = 30_000;

const root = document.documentElement;
const main = document.querySelector('main') as HTMLElement;
const renewal = byId('renewal');
const hold = byId<HTMLButtonElement>('hold');
const theme = byId<HTMLButtonElement>('theme-button');
const map = document.getElementById('map-link') as HTMLAnchorElement | null;
if (map) map.href = mapAddress.read() ?? map.href;

let isHeld = hold.getAttribute('aria-pressed') === 'true';
let isAsking = false;
let isAskedAgain = false;
let lastAt = new Date();
let timer: ReturnType<typeof setTimeout> | undefined;
let live: EventSource | undefined;
let hears = false;

const part = <T extends HTMLElement>(selector: string) => main.querySelector<T>(selector);
const clockOf = (at: Date) => at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

/** Writes what the address says of the page, so that it can be sent on as it is seen. */
function keepAddress(name: string, value: string | null): void {
  const address = new URL(location.href);
  if (value === null) address.searchParams.delete(name);
  else address.searchParams.set(name, value);
  history.replaceState(null, '', address);
}

function sayHow(): void {
  renewal.classList.remove('is-failing');
  setText(renewal, isHeld ? `Held still since ${clockOf(lastAt)}` : hears ? 'Renews with news and every minute' : 'Renews every minute');
}

function plan(milliseconds: number): void {
  clearTimeout(timer);
  if (!isHeld) timer = setTimeout(() => void renew(), milliseconds);
}

async function renew(): Promise<void> {
  if (isHeld) return;
  if (isAsking) {
    isAskedAgain = true;
    return;
  }
  isAsking = true;
  try {
    const answer = await fetch(location.pathname + location.search, { signal: AbortSignal.timeout(PATIENCE), cache: 'no-store' });
    const found = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('body.wall main');
    // Whoever is signed out is shown where to sign in, and that is no page of this kind.
    if (!answer.ok || !found) throw new Error(answer.redirected ? 'Signed out' : `answer ${answer.status}`);
    if (isHeld) return;
    exchange(found);
    lastAt = new Date();
    sayHow();
  } catch (error) {
    renewal.classList.add('is-failing');
    const why = error instanceof Error && error.message === 'Signed out' ? 'Signed out: load this page again to sign in. ' : '';
    setText(renewal, `${why}Not renewed since ${clockOf(lastAt)}; tries again every minute`);
  } finally {
    isAsking = false;
    plan(isAskedAgain || part('[data-renewing="1"]') ? SOON : EVERY);
    isAskedAgain = false;
    listen();
  }
}

/** Puts what is new in the place of what is old, and says so only where the one thing that matters most has changed. */
function exchange(found: Element): void {
  const said = part('[data-say]')?.dataset['say'];
  const focused = document.activeElement instanceof HTMLElement && main.contains(document.activeElement) ? document.activeElement.id : '';
  const open = new Set([...main.querySelectorAll('details[open]')].map((each) => each.id));
  const scrolled = [...main.querySelectorAll<HTMLElement>('.wide[id]')].map((each) => [each.id, each.scrollLeft, each.scrollTop] as const);
  const [x, y] = [scrollX, scrollY];
  main.replaceChildren(...found.childNodes);
  for (const each of main.querySelectorAll('details')) each.open = open.has(each.id);
  for (const [id, left, top] of scrolled) document.getElementById(id)?.scrollTo({ left, top, behavior: 'instant' });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  scrollTo({ left: x, top: y, behavior: 'instant' });
  const title = part('[data-say]');
  if (title && title.dataset['say'] !== said) setText(byId('said'), title.textContent.replace(/\s+/g, ' ').trim());
}

/** Listens for news where the service has any; without, every minute is enough. */
function listen(): void {
  const address = part('[data-live]')?.dataset['live'];
  if (isHeld || live || !address) return;
  live = new EventSource(address);
  live.addEventListener('open', () => {
    hears = true;
    if (!renewal.classList.contains('is-failing')) sayHow();
  });
  live.addEventListener('news', () => (isAsking ? (isAskedAgain = true) : plan(SOON / 4)));
  live.addEventListener('error', () => {
    hears = false;
    // A stream that the service has closed for good is tried again with the next minute.
    if (live?.readyState === EventSource.CLOSED) live = undefined;
    if (!renewal.classList.contains('is-failing')) sayHow();
  });
}

function turnHold(): void {
  isHeld = !isHeld;
  hold.setAttribute('aria-pressed', String(isHeld));
  keepAddress('hold', isHeld ? 'true' : null);
  clearTimeout(timer);
  if (isHeld) {
    live?.close();
    live = undefined;
    hears = false;
    sayHow();
  } else void renew();
}

function turnTheme(): void {
  const turned = root.dataset['theme'] === 'dark' ? 'light' : 'dark';
  root.dataset['theme'] = turned;
  keepAddress('theme', turned === 'dark' ? null : turned);
}

theme.hidden = false;
hold.hidden = false;
theme.addEventListener('click', turnTheme);
hold.addEventListener('click', turnHold);
document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.target instanceof HTMLElement ? event.target : null;
  if (keysTaken(target && { tagName: target.tagName, type: target.getAttribute('type') ?? '' }) === 'all') return;
  if (!singleKeysOn()) return;
  if (map && event.key === 'm') location.assign(map.href);
  if (event.key === 'd') turnTheme();
  if (event.key === 'p') turnHold();
});
// A screen that was off, or a tab that was behind others, is out of date when it is looked at again.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && Date.now() - lastAt.getTime() > EVERY) void renew();
});
sayHow();
plan(part('[data-renewing="1"]') ? SOON : EVERY);
listen();
document.body.dataset['phase'] = 'ready';
