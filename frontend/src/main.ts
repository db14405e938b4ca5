/** Starts the page: fetches a run's figures, and ties map, grid, slider, panel, table and address together. */

import { describeLive, listenForNews, LiveHours } from './live';
import 'virtual:tokens.css';
import './style.css';
import { ALL_ROLES, type Backlog, decodeForceMap, MapDataError, type ForceMap, type Place, WHOLE_FORCE } from './decode';
import { PlaceChart } from './chart';
import { afterQuiet, atOnceThenPerFrame, byId, make, setText } from './dom';
import { buildExportDialog } from './export';
import { buildFind } from './find';
import { drawPicture } from './picture';
import { WeekGrid } from './grid';
import { buildHelpDialog } from './help';
import { startHotspots } from './hotspot-card';
import { NO_HOTSPOTS } from './hotspots';
import { listenForKeys } from './keys';
import { drawLegend } from './legend';
import { addProtocol } from 'maplibre-gl';
import { AreaMap, VEIL } from './map';
import { ageOf, isStale, notesOf, wordsForNoMap, type Note } from './notes';
import { PeakList, showList } from './peak-list';
import { ageText, Calendar, momentLabel } from './periods';
import { Panel } from './panel';
import { scaleFor, type Scale } from './scales';
import { ShortageList } from './shortage-list';
import { readAddress, Store, writeAddress, type State } from './state';
import { TwinTable } from './table';
import { THEMES, type Theme } from './theme';
import { Timebar } from './timebar';
import { Trail } from './trail';
import './views';
import { mapAddress } from './way-back';
import { MapTip } from './tip';
import { count, methodName, valueOf, viewOfPlace, viewsOf, VIEWS } from './wording';

declare global {
  interface Window {
    /** For tests and benchmarks: the page's own account of what it has drawn. */
    bluelamp: {
      ready: Promise<void>;
      setHour: (hour: number) => void;
      state: () => State & { hour_starting: string; place_id: string };
      drawnHour: () => number;
      renderedAreas: () => number;
      areaPoint: (area: number) => { x: number; y: number } | null;
      renderedHotspots: () => number;
      hotspotPoint: (at: number) => { x: number; y: number } | null;
    };
  }
}

async function readPayload(): Promise<unknown> {
  const inline = document.getElementById('bluelamp-data');
  if (inline) {
    try {
      return JSON.parse(inline.textContent ?? '');
    } catch {
      throw new MapDataError('The figures inside this file cannot be read: the file was cut off or changed on its way. Ask for it again, or make it anew with “bluelamp map”.');
    }
  }
  const address = document.body.dataset['dataUrl'] ?? '';
  let response: Response;
  try {
    response = await fetch(address);
  } catch {
    throw new MapDataError('The figures did not arrive, because Bluelamp does not answer. Check that “bluelamp serve” is still running, then reload this page.');
  }
  if (response.status === 404) throw new MapDataError('Bluelamp has no such run: it may have been removed. Go back to the start page and choose another, or make one with “bluelamp plan”.');
  if (!response.ok) throw new MapDataError(`The figures did not arrive: Bluelamp answered with error ${response.status}. Reload this page; if it happens again, look at what “bluelamp serve” has printed.`);
  try {
    return await response.json();
  } catch {
    throw new MapDataError('The figures arrived damaged and cannot be read. Reload this page; if it happens again, make the plan anew with “bluelamp plan”.');
  }
}

function showProblem(error: unknown): void {
  const words = error instanceof MapDataError ? error.message : 'Something in this page went wrong. Reload it; if it happens again, tell whoever looks after Bluelamp what you did, with the line below.';
  document.body.dataset['phase'] = 'failed';
  byId('loading').hidden = true;
  byId('problem').hidden = false;
  byId('problem').replaceChildren(make('b', {}, 'The map cannot be shown. '), words, error instanceof MapDataError ? '' : make('code', {}, String(error)));
  if (document.body.dataset['mode'] === 'served') {
    const again = make('button', { type: 'button' }, 'Try again');
    again.addEventListener('click', () => location.reload());
    byId('problem').append(make('p', { class: 'dialog-buttons' }, again));
  }
  console.error(error);
}

async function start(): Promise<void> {
  const map = decodeForceMap(await readPayload());
  const calendar = new Calendar(map.hours);
  const views = viewsOf(map);
  const now = calendar.hourAt(Date.now() / 1000);

  describeRun(map, calendar);
  // A page on a wall stays open for days; its figures must not look fresh for ever.
  setInterval(() => describeAge(map), 300_000);
  byId('loading').hidden = true;
  document.body.dataset['phase'] = 'drawing';
  byId('tools').hidden = false;

  const shortages = new ShortageList(map, calendar, now, (hour, place) => store.set({ hour, place }), (allRoles) => {
    if (store.state.place.scope === 'force') store.set({ place: allRoles ? ALL_ROLES : WHOLE_FORCE });
  });
  const peaks = new PeakList(map, calendar, (hour, place) => store.set({ hour, place }), (list) => store.set({ list }));
  const defaults: State = { hour: shortages.worst?.peakHour ?? now ?? 0, place: WHOLE_FORCE, figure: views[0]?.key ?? 'demand', theme: 'auto', view: 'map', rows: 'areas', hotspots: NO_HOTSPOTS, list: 'short', camera: null };
  const store = new Store({ ...defaults, ...readAddress(map, location.hash, views.map(({ key }) => key)) });

  const scales = new Map<string, Scale>();
  const scale = (scope: Place['scope']): Scale => {
    const key = `${store.state.figure}/${scope}`;
    const known = scales.get(key) ?? scaleFor(map, VIEWS[store.state.figure], scope);
    scales.set(key, known);
    return known;
  };
  const view = () => VIEWS[store.state.figure];
  const darkWanted = matchMedia('(prefers-color-scheme: dark)');
  const theme = (): Theme => THEMES[store.state.theme === 'auto' ? (darkWanted.matches ? 'dark' : 'light') : store.state.theme];

  const say = (text: string) => setText(byId('announcer'), text);
  const chooseHour = (hour: number) => store.set({ hour: Math.min(Math.max(hour, 0), map.hourCount - 1) });
  const hourNow = () => store.state.hour;
  const timebar = new Timebar(map, calendar, hourNow, chooseHour, say);
  const grid = new WeekGrid(map, calendar, hourNow, (hour) => {
    timebar.stop();
    chooseHour(hour);
  });
  const panel = new Panel(map, calendar, (place) => store.set({ place }));
  const table = new TwinTable(
    map,
    (place) => store.set({ place }),
    (rows) => store.set({ rows }),
  );
  const drawChartSoon = afterQuiet(140, () => void chart.draw(store.state.place, store.state.hour, theme()));
  const chart = new PlaceChart(map, calendar, (hour) => chooseHour(hour), drawChartSoon);
  const find = buildFind(map, (place) => store.set({ place }));
  buildHelpDialog(map);

  document.documentElement.dataset['theme'] = theme().name;
  const tip = new MapTip(map, () => store.state);
  const areaMap = startMap(map, theme(), store, tip);
  let credit = '';
  if (!areaMap && map.hasShapes && store.state.view === 'map') store.set({ view: 'table' });

  const hotspots = startHotspots(map, calendar, store, areaMap, tip, theme);
  buildExportDialog(map, calendar, hourNow, areaMap && (() => drawPicture(areaMap.picture(), [...pictureWords(map, calendar, store.state, hotspots?.words()), ...(credit === '' ? [] : [credit])], view(), scale('area'), theme())));
  buildFigureChoice(views.map(({ key }) => key), store);
  const drawWhole = () => {
    const { hour, place } = store.state;
    drawLegend(view(), scale('area'), theme(), areaMap?.hasBlanks() ?? false, credit === '' ? 0 : VEIL);
    grid.draw(view(), scale(place.scope), place, theme(), hour);
    timebar.draw(view(), scale(place.scope), place, theme());
  };
  const drawHourText = () => {
    const { hour, place, view: shown, rows } = store.state;
    timebar.setHour(hour);
    if (place.scope === 'force') shortages.setRoles(place.allRoles === true);
    shortages.setHour(hour);
    peaks.setHour(hour);
    panel.draw(place, hour);
    drawTitle(map, store.state);
    drawSummary(map, calendar, store.state);
    if (shown === 'table') table.draw(rows, hour, place);
  };
  const saySoon = afterQuiet(700, () => {
    if (!timebar.playing) say(hourInWords(map, calendar, store.state));
  });
  const trail = new Trail((state) => writeAddress(map, state), store.state);

  const drawHour = () => {
    const { hour, place } = store.state;
    // The map first: it is what the eye waits for, and the graphics work then runs beside the writing of the rest.
    areaMap?.setHour(hour);
    if (grid.setHour(hour)) grid.draw(view(), scale(place.scope), place, theme(), hour);
    drawHourText();
    tip.draw();
    if (chart.setHour(place, hour)) drawChartSoon();
  };
  const drawHourSoon = atOnceThenPerFrame(drawHour);

  store.subscribe((state, changed) => {
    trail.follow(state, changed);
    if (changed.has('camera')) areaMap?.look(state.camera);
    if (changed.has('list')) showList(state.list);
    if (changed.size === 1 && (changed.has('camera') || changed.has('list'))) return;
    if (changed.has('theme')) applyTheme(theme());
    if (changed.has('theme')) areaMap?.setTheme(theme());
    if (changed.has('figure')) areaMap?.setView(view(), scale('area'));
    if (changed.has('place')) areaMap?.setPlace(state.place, !changed.has('camera'));
    if (changed.has('view')) showView(state, areaMap);
    if (changed.has('figure')) checkFigure(state.figure);
    if (changed.has('figure') || changed.has('place') || changed.has('theme')) drawWhole();
    if (changed.size === 1 && changed.has('hour')) drawHourSoon();
    else drawHour();
    if (changed.has('theme')) drawChartSoon();
    if (changed.has('hour') || changed.has('place')) saySoon();
  });

  const toggleTheme = () => store.set({ theme: theme().name === 'dark' ? 'light' : 'dark' });
  const toggleTable = () => store.set({ view: store.state.view === 'table' && (areaMap || !map.hasShapes) ? 'map' : 'table' });
  const open = (id: string) => byId<HTMLDialogElement>(id).showModal();
  // A map sent as a file has no data page.
  const toData = document.getElementById('data-link');
  for (const link of document.querySelectorAll('.views a, #panel')) {
    link.addEventListener('click', () => {
      trail.settle();
      mapAddress.keep();
    });
  }
  byId('table-button').addEventListener('click', toggleTable);
  byId('export-button').addEventListener('click', () => open('export'));
  byId('help-button').addEventListener('click', () => open('help'));
  byId('theme-button').addEventListener('click', toggleTheme);
  byId('zoom-in').addEventListener('click', () => areaMap?.zoom(1));
  byId('zoom-out').addEventListener('click', () => areaMap?.zoom(-1));
  byId('zoom-fit').addEventListener('click', () => areaMap?.fit());
  listenForKeys({
    hour: (by) => {
      timebar.stop();
      chooseHour(store.state.hour + by);
    },
    day: (by) => {
      timebar.stop();
      chooseHour(calendar.sameHourAnotherDay(store.state.hour, by));
    },
    first: () => chooseHour(0),
    last: () => chooseHour(map.hourCount - 1),
    play: () => timebar.toggle(),
    find: () => find.focus(),
    table: toggleTable,
    export: () => open('export'),
    data: () => toData?.click(),
    hotspots: () => hotspots?.toggle(),
    help: () => open('help'),
    theme: toggleTheme,
    wholeForce: () => store.set({ place: WHOLE_FORCE }),
  });
  const toNow = byId<HTMLButtonElement>('to-now');
  toNow.hidden = now === null;
  toNow.addEventListener('click', () => chooseHour(calendar.hourAt(Date.now() / 1000) ?? now ?? 0));
  const toWorst = byId<HTMLButtonElement>('to-worst');
  toWorst.hidden = shortages.worst === null;
  setText(toWorst, map.run.has_duties ? 'Worst hour' : 'Busiest hour');
  toWorst.addEventListener('click', () => chooseHour(shortages.worst?.peakHour ?? 0));
  darkWanted.addEventListener('change', () => {
    if (store.state.theme !== 'auto') return;
    applyTheme(theme());
    areaMap?.setTheme(theme());
    drawWhole();
    drawChartSoon();
  });
  addEventListener('hashchange', () => {
    // A link into the page ("skip to the map") is not a state, and must not take the state's place.
    if (location.hash.includes('hour=')) trail.arrive(() => store.set({ ...defaults, ...readAddress(map, location.hash, views.map(({ key }) => key)) }));
    else trail.restore();
  });
  addEventListener('beforeprint', () => {
    if (areaMap) byId<HTMLImageElement>('map-print').src = areaMap.picture().toDataURL('image/png');
  });

  applyTheme(theme());
  showView(store.state, areaMap);
  showList(store.state.list);
  checkFigure(store.state.figure);
  if (store.state.hotspots.shown) void hotspots?.draw();
  void layBasemap(map, areaMap).then((words) => {
    credit = words;
    drawWhole();
  });
  areaMap?.setView(view(), scale('area'));
  areaMap?.setHour(store.state.hour);
  drawWhole();
  drawHourText();
  document.body.dataset['phase'] = 'ready';

  window.bluelamp = {
    ready: window.bluelamp.ready,
    setHour: chooseHour,
    state: () => ({ ...store.state, hour_starting: new Date((map.hours.starting[store.state.hour] ?? 0) * 1000).toISOString(), place_id: map.idOf(store.state.place) }),
    // Where no map is drawn, the hour in the table is the hour that is seen.
    drawnHour: () => (areaMap && store.state.view === 'map' ? areaMap.drawnHour() : store.state.hour),
    renderedAreas: () => areaMap?.renderedAreas() ?? 0,
    areaPoint: (area) => areaMap?.screenPoint(area) ?? null,
    renderedHotspots: () => hotspots?.rendered() ?? 0,
    hotspotPoint: (at) => hotspots?.screenPoint(at) ?? null,
  };
  try {
    await areaMap?.ready;
    areaMap?.setPlace(store.state.place, store.state.camera === null);
  } catch (error) {
    console.warn(error);
    sayNoMap();
    trail.without(() => store.set({ view: 'table' }));
  }
  drawChartSoon();
  void fetchBacklog(map).then(drawHourText);
  if (document.body.dataset['mode'] === 'served') {
    listenForNews((live) => {
      map.setLive(new LiveHours(live));
      drawHourText();
      describeLive(live, Date.now() / 1000);
    }, sayNewRun);
  }
}

/** Another run than the one shown: the reader decides when to leave it, because it may be in the middle of something. */
function sayNewRun(): void {
  if (document.getElementById('new-run') !== null) return;
  const notes = byId('notes');
  notes.hidden = false;
  notes.prepend(make('p', { class: 'note is-warning', id: 'new-run', role: 'status' }, 'There is a newer plan. ', make('a', { href: '/' }, 'Show it')));
}

/** The backlog is simulated when it is asked for, which is after everything that is seen first. */
async function fetchBacklog(map: ForceMap): Promise<void> {
  if (map.backlogAddress === null) return;
  try {
    const found = (await (await fetch(map.backlogAddress)).json()) as Backlog | { problem: string };
    map.setBacklog('problem' in found ? null : found);
  } catch (error) {
    console.warn(error);
    map.setBacklog(null);
  }
}

function sayNoMap(): void {
  byId('notes').hidden = false;
  byId('notes').prepend(make('p', { class: 'note is-warning' }, 'This browser cannot draw the map (WebGL 2 is off or missing). The table shows the same figures.'));
}

function startMap(map: ForceMap, theme: Theme, store: Store, tip: MapTip): AreaMap | null {
  byId('map-frame').hidden = !map.hasShapes;
  byId('summary-frame').hidden = map.hasShapes;
  if (!map.hasShapes) {
    setText(byId('skip-to-stage'), 'Skip to the whole force at this hour');
    return null;
  }
  try {
    return new AreaMap(map, byId('map'), theme, { choose: (place) => store.set({ place }), hover: (area, x, y) => tip.show(area, x, y), look: (camera) => store.set({ camera }) }, store.state.camera);
  } catch (error) {
    console.warn(error);
    byId('map-frame').hidden = true;
    sayNoMap();
    return null;
  }
}

/** Draws the base map that the force gave, once its areas are there; gives whose it is, '' where there is none. */
async function layBasemap(map: ForceMap, areaMap: AreaMap | null): Promise<string> {
  // A file that is sent to others carries none.
  if (!SERVED || areaMap === null || map.basemap === null) return '';
  const [{ Underlay }] = await Promise.all([import('./basemap'), areaMap.ready]);
  const frame = byId('map-view');
  try {
    const credit = await areaMap.lay(new Underlay(areaMap.map, map.basemap, addProtocol));
    frame.append(make('p', { class: 'map-credit' }, credit));
    return credit;
  } catch (error) {
    console.warn(error);
    frame.append(make('p', { class: 'map-credit' }, 'The base map could not be drawn.'));
    return '';
  }
}

function describeAge(map: ForceMap): void {
  const now = Date.now() / 1000;
  setText(byId('about-age'), `data ${ageText(ageOf(map, now))}`);
  byId('about-age').classList.toggle('is-stale', isStale(map, now));
}

function describeRun(map: ForceMap, calendar: Calendar): void {
  const { run, force } = map;
  setText(byId('force-name'), force.name);
  byId('about-run').replaceChildren(
    make('span', { class: 'about-period' }, calendar.periodLabel(0, map.hourCount)),
    make('span', { title: `Forecast ${methodName(run.method)}, staffing ${methodName(run.staffing_method)}, seed ${run.seed}, run ${run.run_id}` }, `forecast ${methodName(run.method)}, staffing ${methodName(run.staffing_method)}`),
    make('span', { id: 'about-age' }),
  );
  describeAge(map);
  showNotes(byId('notes'), notesOf(map, calendar, Date.now() / 1000));
}

/** Notes that change how the map is read stay in sight; where there are many, the rest wait behind a line. */
function showNotes(notes: HTMLElement, given: Note[]): void {
  const written = ({ text, isWarning }: Note) => make('p', { class: isWarning ? 'note is-warning' : 'note' }, text);
  const quiet = given.filter(({ isWarning }) => !isWarning);
  const rest = quiet.length <= 2 ? [] : quiet.filter(({ text }) => !/approximate|no duties|made up/i.test(text));
  const first = given.filter((note) => !rest.includes(note));
  notes.append(...first.map(written));
  if (rest.length > 0) notes.append(make('details', {}, make('summary', {}, `${count(rest.length, first.length > 0 ? 'more note' : 'note')} on these figures`), ...rest.map(written)));
  notes.hidden = given.length === 0;
}

function buildFigureChoice(keys: State['figure'][], store: Store): void {
  const fieldset = byId('figures');
  for (const key of keys) {
    const input = make('input', { type: 'radio', name: 'figure', value: key });
    input.addEventListener('change', () => store.set({ figure: key }));
    fieldset.append(make('label', {}, input, make('span', {}, VIEWS[key].label)));
  }
}

function checkFigure(key: State['figure']): void {
  for (const input of byId('figures').querySelectorAll('input')) input.checked = input.value === key;
}

function showView(state: State, areaMap: AreaMap | null): void {
  const isTable = state.view === 'table';
  document.body.dataset['view'] = state.view;
  byId('table-frame').hidden = !isTable;
  byId('map-frame').hidden = isTable || areaMap === null;
  byId('summary-frame').hidden = isTable || areaMap !== null;
  byId('table-button').setAttribute('aria-pressed', String(isTable));
  if (!isTable) areaMap?.resize();
}

function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme.name;
  setText(byId('theme-label'), theme.name === 'dark' ? 'Light' : 'Dark');
}

function drawTitle(map: ForceMap, state: State): void {
  const view = VIEWS[state.figure];
  setText(byId('stage-title'), state.view === 'table' ? (state.rows === 'areas' ? 'Every area at this hour' : 'Every pool at this hour') : map.hasShapes ? 'Map' : 'The whole force at this hour');
  const chosen = byId('map-chosen');
  chosen.hidden = state.place.scope === 'force' || state.view === 'table';
  if (state.place.scope === 'force') return;
  const value = valueOf(map, view, state.place, state.hour);
  // On a small screen the figures lie below the map: this line says what was chosen and leads there.
  chosen.replaceChildren(make('b', {}, map.nameOf(state.place)), ` ${viewOfPlace(view, state.place.scope)} ${value === null ? '–' : view.write(value)} `, make('a', { href: '#panel' }, 'Figures'));
}

/** A force whose areas can't be drawn has no map; its summary stands in the same place. */
function drawSummary(map: ForceMap, calendar: Calendar, state: State): void {
  const frame = byId('summary-frame');
  if (frame.hidden) return;
  const { hour } = state;
  const view = VIEWS[state.figure];
  const value = valueOf(map, view, WHOLE_FORCE, hour);
  const pools = map.allPoolsAt(hour).map((pool) => {
    const of = valueOf(map, view, { scope: 'pool', index: pool }, hour);
    return make('li', { class: view.key === 'gap' && of !== null && of < 0 ? 'is-short' : null }, make('span', {}, map.pools.name[pool] ?? ''), make('b', {}, of === null ? '–' : view.write(of)));
  });
  frame.replaceChildren(
    make('p', { class: 'summary-value' }, make('b', { class: view.key === 'gap' && value !== null && value < 0 ? 'is-short' : null }, value === null ? '–' : view.write(value)), make('span', {}, `${viewOfPlace(view, 'force')}, ${calendar.hourLabel(hour)}`)),
    make('ul', { class: 'summary-pools' }, ...pools),
    make('p', { class: 'summary-note' }, wordsForNoMap(map)),
  );
}

function pictureWords(map: ForceMap, calendar: Calendar, state: State, hotspots = ''): string[] {
  return [`${map.force.name}: ${calendar.longHourLabel(state.hour)}`, `${VIEWS[state.figure].title}${map.run.geography === 'approximate' ? '. Boundaries are approximate' : ''}`, ...(hotspots === '' ? [] : [hotspots]), `Bluelamp run ${map.run.run_id}, from data until ${momentLabel(map.run.data_until, map.force.time_zone)}`];
}

function hourInWords(map: ForceMap, calendar: Calendar, state: State): string {
  const view = VIEWS[state.figure];
  const value = valueOf(map, view, state.place, state.hour);
  const place = state.place.scope === 'force' ? '' : `${map.nameOf(state.place)}: `;
  const words = [`${calendar.longHourLabel(state.hour)}.`, `${place}${viewOfPlace(view, state.place.scope)} ${value === null ? 'unknown' : view.write(value)}.`];
  if (view.key === 'gap' && state.place.scope === 'force') {
    const pools = map.poolsOf(state.place, state.hour);
    words.push(`${pools.filter((pool) => (map.number('pool', 'units_gap', pool, state.hour) ?? 0) < 0).length} of ${count(pools.length, 'pool')} short.`);
  }
  return words.join(' ');
}

const ready = start();
window.bluelamp = { ready, setHour: () => {}, state: () => ({}) as never, drawnHour: () => -1, renderedAreas: () => 0, areaPoint: () => null, renderedHotspots: () => 0, hotspotPoint: () => null };
ready.catch(showProblem);
