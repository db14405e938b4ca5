/**
 * Where to be: the switch of the hotspots, their list beside the map, and what the legend says of them.
 *
 * Nothing is fetched before the switch is turned on; then one class at a time, kept while the page is open.
 */

import { type ForceMap, MapDataError } from './decode';
import { byId, make, setText } from './dom';
import { FIRST_SHOWN, HotspotLayer } from './hotspot-layer';
import { className, decodeHotspots, degrees, howRight, type FigureName, type HotspotChoice, type Hotspots, methodWords, metWords, NO_HOTSPOTS, paiWords, SHARES, shareWords, shiftWords } from './hotspots';
import type { AreaMap } from './map';
import { shortDate, type Calendar } from './periods';
import type { Store } from './state';
import { inkOn, type Theme } from './theme';
import type { MapTip } from './tip';
import { count, percent, plain } from './wording';

export class HotspotCard {
  private readonly layer: HotspotLayer;
  private readonly fetched = new Map<string, Promise<Hotspots>>();
  private readonly classes = byId<HTMLSelectElement>('hotspots-class');
  private readonly shifts = byId<HTMLSelectElement>('hotspots-shift');
  private readonly shares = byId<HTMLSelectElement>('hotspots-share');
  private readonly isPlain = byId<HTMLInputElement>('hotspots-plain');
  private hotspots: Hotspots | null = null;
  private rows: number[] = [];
  private chosen: number | null = null;
  private showsAll = false;
  private drawnFor = '';
  private asked = 0;

  constructor(
    private readonly map: ForceMap,
    private readonly calendar: Calendar,
    private readonly store: Store,
    private readonly areaMap: AreaMap,
    private readonly tip: MapTip,
    private readonly theme: () => Theme,
  ) {
    this.layer = new HotspotLayer(areaMap.map, {
      choose: (row) => this.choose(row, false),
      hover: (row) => this.tip.over(row === null || this.hotspots === null ? null : this.tipOf(row)),
    });
    const button = byId('hotspots-button');
    button.hidden = false;
    button.addEventListener('click', () => this.toggle());
    byId('hotspots-close').addEventListener('click', () => {
      this.toggle();
      button.focus();
    });
    this.classes.append(...this.source.classes.map((code) => make('option', { value: code }, className(code))));
    this.shares.append(...SHARES.map((share) => make('option', { value: String(share) }, `${shareWords(share)} of the ground`)));
    this.classes.addEventListener('change', () => this.change({ class: this.classes.value }));
    this.shifts.addEventListener('change', () => this.change({ shift: this.shifts.value === '' ? null : Number(this.shifts.value) }));
    this.shares.addEventListener('change', () => this.change({ share: Number(this.shares.value) }));
    this.isPlain.addEventListener('change', () => this.change({ plain: this.isPlain.checked }));
    byId('hotspots-more').addEventListener('click', () => {
      this.showsAll = !this.showsAll;
      this.drawList();
    });
    store.subscribe((state, changed) => {
      if (changed.has('hotspots') || ((changed.has('hour') || changed.has('theme') || changed.has('view')) && state.hotspots.shown)) void this.draw(changed.has('theme'));
    });
  }

  toggle(): void {
    this.change({ shown: !this.choice.shown });
  }

  /** Shows what is chosen; the shift of the hour is drawn anew only where it is another one. */
  async draw(again = false): Promise<void> {
    const { choice } = this;
    document.body.dataset['hotspots'] = choice.shown ? 'on' : 'off';
    byId('hotspots-button').setAttribute('aria-pressed', String(choice.shown));
    byId('hotspots').hidden = !choice.shown;
    if (!choice.shown) {
      this.asked++;
      this.drawnFor = '';
      byId('hotspots-legend').hidden = true;
      this.layer.clear();
      return;
    }
    const asked = ++this.asked;
    try {
      const [found] = await Promise.all([this.fetch(choice.class), this.areaMap.ready]);
      if (asked !== this.asked) return;
      this.hotspots = found;
    } catch (error) {
      if (asked !== this.asked) return;
      this.fetched.delete(choice.class);
      this.sayProblem(error);
      return;
    }
    const shift = this.hotspots.shiftOf(choice, this.hourOfDay);
    const wanted = JSON.stringify([choice.class, shift, choice.share, choice.plain]);
    this.drawChoices();
    if (wanted !== this.drawnFor) {
      this.drawnFor = wanted;
      this.chosen = null;
      this.showsAll = false;
      this.rows = this.hotspots.isFlat && !choice.plain ? [] : this.hotspots.placesOf(shift, choice.share, choice.plain);
      again = true;
    }
    this.drawWhen(shift);
    if (!again) return;
    this.drawHowRight(shift);
    this.layer.draw(this.hotspots, this.rows, choice.plain, this.chosen, this.theme());
    this.drawList();
    this.drawLegend(shift);
  }

  /** Of the last frame, for tests: places drawn, and where one of them is. */
  rendered(): number {
    return this.layer.rendered();
  }

  screenPoint(at: number): { x: number; y: number } | null {
    const row = this.rows[at];
    return this.hotspots === null || row === undefined ? null : this.layer.screenPoint(this.hotspots, row);
  }

  /** One line for a picture of the map. */
  words(): string {
    if (!this.choice.shown || this.hotspots === null) return '';
    return `${this.legendWords(this.hotspots.shiftOf(this.choice, this.hourOfDay)).join(' · ')}`;
  }

  private get source() {
    return this.map.hotspots as NonNullable<ForceMap['hotspots']>;
  }

  private get choice(): HotspotChoice {
    return this.store.state.hotspots;
  }

  private get hourOfDay(): number {
    return this.calendar.at(this.store.state.hour).hour;
  }

  private change(change: Partial<HotspotChoice>): void {
    this.store.set({ hotspots: { ...this.choice, ...change } });
  }

  private fetch(code: string): Promise<Hotspots> {
    const known = this.fetched.get(code);
    if (known) return known;
    setText(byId('hotspots-right'), 'Reading the places…');
    const made = fetchHotspots(`${this.source.address}&class=${encodeURIComponent(code)}`);
    this.fetched.set(code, made);
    return made;
  }

  private drawChoices(): void {
    const { choice, hotspots } = this;
    if (hotspots === null) return;
    const wanted = [['', 'Follows the hour'], ...hotspots.shifts.map((shift) => [String(shift.from_hour), `${shiftWords(shift)}, held`])] as [string, string][];
    if (this.shifts.options.length !== wanted.length) this.shifts.replaceChildren(...wanted.map(([value, words]) => make('option', { value }, words)));
    this.classes.value = choice.class;
    this.shifts.value = choice.shift === null ? '' : String(choice.shift);
    this.shares.value = String(choice.share);
    this.isPlain.checked = choice.plain;
  }

  private drawWhen(shift: number): void {
    const { hotspots } = this;
    if (hotspots === null) return;
    const beyond = hotspots.isBeyond(this.calendar.at(this.store.state.hour).date);
    const when = byId('hotspots-when');
    when.replaceChildren(
      make('b', {}, shiftWords(hotspots.shifts[shift] as Hotspots['shifts'][number])),
      ` in the week from ${shortDate(hotspots.weekOf)}`,
      beyond ? make('span', { class: 'hotspots-beyond' }, ' The hour shown lies outside that week: plan again for a later one.') : '',
    );
  }

  private drawHowRight(shift: number): void {
    const { choice, hotspots } = this;
    if (hotspots === null) return;
    const right = byId('hotspots-right');
    const words = howRight(hotspots, choice.share, choice.plain, this.source.folder);
    const flat = hotspots.isFlat ? [make('p', { class: 'hotspots-flat' }, make('b', {}, 'No place stands out. '), choice.plain ? 'These are counts of the past and no hotspots: what lay there later, chance alone may give.' : 'What lay where such maps said, chance alone may give. So nothing is drawn.')] : [];
    const untested = hotspots.tested === null;
    right.classList.toggle('is-untested', untested);
    const [first = '', ...rest] = words;
    right.replaceChildren(...flat, make('p', {}, untested ? make('b', {}, ...unbroken(first)) : first), ...rest.map((each) => make('p', {}, ...unbroken(each))));
    const shiftQuery = `from_hour=${hotspots.shifts[shift]?.from_hour ?? 0}&share=${choice.share}`;
    const query = `&class=${encodeURIComponent(choice.class)}`;
    byId('hotspots-links').replaceChildren(
      make('a', { href: `${this.source.page}${query}` }, 'Scores of every method'),
      make('a', { href: `${this.source.twin}${query}&${shiftQuery}` }, 'CSV'),
      make('a', { href: `${this.source.twin.replace('.csv', '.geojson')}${query}&${shiftQuery}` }, 'GeoJSON'),
    );
  }

  private drawList(): void {
    const { hotspots, rows, choice } = this;
    const list = byId('hotspots-list');
    const more = byId('hotspots-more');
    if (hotspots === null) return;
    const shown = this.showsAll ? rows : rows.slice(0, FIRST_SHOWN);
    // One that was chosen on the map is in the list, wherever it stands.
    if (this.chosen !== null && !shown.includes(this.chosen)) shown.push(this.chosen);
    const colours = hotspots.scale(choice.plain).colours(this.theme());
    list.replaceChildren(...shown.map((row) => this.item(row, colours[hotspots.classOf(row, choice.plain)] as string)));
    more.hidden = rows.length <= FIRST_SHOWN;
    setText(more, this.showsAll ? 'Fewer' : `All ${rows.length} places`);
  }

  private item(row: number, colour: string): HTMLElement {
    const { hotspots, choice } = this;
    const isChosen = row === this.chosen;
    const badge = make('span', { class: 'hotspot-badge' }, hotspots?.exact(choice.plain ? 'count_rank' : 'rank', row) ?? '');
    badge.style.backgroundColor = colour;
    badge.style.color = inkOn(colour);
    const button = make(
      'button',
      { type: 'button', class: 'short-run', 'aria-expanded': isChosen ? 'true' : 'false', 'data-row': row },
      badge,
      make('span', { class: 'short-when hotspot-name' }, this.placeName(row), make('small', {}, this.degreesOf(row))),
      make('span', { class: 'short-where' }, this.brief(row)),
    );
    button.addEventListener('click', () => this.choose(isChosen ? null : row, true));
    return make('li', {}, button, isChosen && this.details(row));
  }

  private brief(row: number): string {
    if (this.choice.plain) return `${this.isHarm ? 'harm ' : ''}${plain(this.value('counted', row))} counted in 52 weeks`;
    return `${this.isHarm ? 'harm ' : ''}${plain(this.value('expected', row))} expected in the week${this.isHarm ? '' : ` · at least one ${percent(this.value('chance_any', row))}`}`;
  }

  private details(row: number): HTMLElement {
    const hotspots = this.hotspots as Hotspots;
    const cell = hotspots.cellOf(row);
    const figure = (name: FigureName, write: (value: number) => string = plain) => {
      const value = hotspots.number(name, row);
      return make('span', { 'data-hotspot': hotspots.cells.id[cell], 'data-figure-of-hotspot': name, 'data-value': hotspots.exact(name, row), title: hotspots.titleOf(name) }, value === null ? '–' : write(value));
    };
    const line = (label: string, ...values: (Node | string)[]) => make('div', {}, make('dt', {}, label), make('dd', {}, ...values));
    return make(
      'dl',
      { class: 'figures hotspot-details' },
      line('Centre, latitude and longitude', this.degreesOf(row)),
      line(this.isHarm ? 'Harm expected in the week' : 'Expected in the week', figure('expected')),
      ...(this.isHarm ? [] : [line('Chance of at least one', figure('chance_any', percent))]),
      line('Times the usual risk for its size', figure('times_usual')),
      line(this.isHarm ? 'Harm counted in 52 weeks' : 'Counted in the last 52 weeks', figure('counted', (value) => String(Math.round(value)))),
      line('Its place by that count', figure('count_rank', String)),
      line('Such maps', this.scoreWords(true)),
    );
  }

  private choose(row: number | null, fly: boolean): void {
    this.chosen = row;
    if (this.hotspots === null) return;
    this.drawList();
    this.layer.choose(this.hotspots, this.rows, row);
    const button = byId('hotspots-list').querySelector<HTMLElement>(`[data-row="${row}"]`);
    // Where the list was used the focus stays in it; a click on the map brings its line into sight.
    if (fly) button?.focus({ preventScroll: true });
    else button?.scrollIntoView({ block: 'nearest' });
    if (row !== null && fly) this.layer.fly(this.hotspots, row);
  }

  private drawLegend(shift: number): void {
    const { hotspots, choice } = this;
    const legend = byId('hotspots-legend');
    if (hotspots === null) return;
    legend.hidden = false;
    const scale = hotspots.scale(choice.plain);
    const [title = '', ...rest] = this.legendWords(shift);
    const words = make('p', { class: 'legend-title' }, title, make('span', { class: 'legend-note' }, ...rest.map((each) => ` · ${each}`)));
    if (this.rows.length === 0) {
      legend.replaceChildren(words);
      return;
    }
    const items = scale.colours(this.theme()).map((colour, at) => {
      const swatch = make('span', { class: 'swatch', 'aria-hidden': 'true' });
      swatch.style.backgroundColor = colour;
      return make('li', {}, swatch, make('span', {}, `${scale.labels[at] ?? ''}${choice.plain ? '' : ' ×'}`));
    });
    legend.replaceChildren(words, make('ul', { 'aria-label': choice.plain ? 'Offences counted in 52 weeks' : 'Times the usual risk for its size' }, ...items));
  }

  private legendWords(shift: number): string[] {
    const hotspots = this.hotspots as Hotspots;
    const { choice } = this;
    const what = choice.plain ? 'Counted in the last 52 weeks' : 'Hotspots, times the usual risk';
    return [
      `${what}: ${className(choice.class)}, ${shiftWords(hotspots.shifts[shift] as Hotspots['shifts'][number])}`,
      this.rows.length === 0 ? 'no place stands out, nothing is drawn' : `${shareWords(hotspots.shareOf(this.rows, choice.share, choice.plain))} of the ground: ${count(this.rows.length, 'place')}, ${hotspots.groundOf(this.rows)}`,
      `${choice.plain ? 'counts alone' : methodWords(hotspots.method)}: ${this.scoreWords(false)}`,
    ];
  }

  private tipOf(row: number): Node[] {
    const hotspots = this.hotspots as Hotspots;
    const number = hotspots.exact(this.choice.plain ? 'count_rank' : 'rank', row);
    return [
      make('b', {}, `${number}. ${this.placeName(row)}`),
      make('span', {}, this.degreesOf(row)),
      make('span', {}, `${this.isHarm ? 'harm ' : ''}${plain(this.value('expected', row))} expected in the week${this.isHarm ? '' : `, at least one ${percent(this.value('chance_any', row))}`}`),
      make('span', {}, `${plain(this.value('times_usual', row))} times the usual; ${Math.round(this.value('counted', row))} counted in 52 weeks (place ${hotspots.exact('count_rank', row)})`),
      make('span', { class: 'tip-score' }, `Such maps: ${this.scoreWords(true)}`),
    ];
  }

  /** How right such maps have been, in a few words; a map of counts alone is not the one that was tested. */
  private scoreWords(withHits: boolean): string {
    const score = this.hotspots?.scoreAt(this.choice.share) ?? null;
    if (this.choice.plain) return 'not tested as such';
    if (score === null) return 'not tested yet';
    return withHits ? `${metWords(score, this.isHarm)}, ${paiWords(score)}` : paiWords(score);
  }

  private get isHarm(): boolean {
    return this.hotspots?.class === 'harm';
  }

  private value(name: FigureName, row: number): number {
    return this.hotspots?.number(name, row) ?? 0;
  }

  /** "Quay Street, B07" where a place has a name of its own; else the area that it lies in. */
  private placeName(row: number): string {
    const hotspots = this.hotspots as Hotspots;
    const cell = hotspots.cellOf(row);
    const [name, code] = [hotspots.cells.name[cell], hotspots.cells.area_id[cell]];
    const area = code === null || code === undefined ? 'Outside every area' : (this.map.areas.name[this.map.areas.id.indexOf(code)] ?? code);
    return hotspots.kind === 'area' ? (name ?? area) : name ? `${name}, ${area}` : area;
  }

  private degreesOf(row: number): string {
    const hotspots = this.hotspots as Hotspots;
    const cell = hotspots.cellOf(row);
    return degrees(hotspots.cells.latitude[cell] ?? 0, hotspots.cells.longitude[cell] ?? 0);
  }

  private sayProblem(error: unknown): void {
    this.hotspots = null;
    this.rows = [];
    this.drawnFor = '';
    this.layer.clear();
    byId('hotspots-list').replaceChildren();
    byId('hotspots-legend').hidden = true;
    const again = make('button', { type: 'button' }, 'Try again');
    again.addEventListener('click', () => void this.draw());
    const words = error instanceof MapDataError ? error.message : 'The hotspots did not arrive, because Bluelamp does not answer. Check that “bluelamp serve” is still running.';
    byId('hotspots-right').replaceChildren(make('p', { role: 'alert' }, words), again);
  }
}

/** An option of a command is not broken over two lines. */
function unbroken(text: string): (Node | string)[] {
  return text.split(/(--\w+)/).map((part) => (part.startsWith('--') ? make('span', { class: 'together' }, part) : part));
}

async function fetchHotspots(address: string): Promise<Hotspots> {
  const response = await fetch(address);
  if (!response.ok) {
    const answer = (await response.json().catch(() => null)) as { error?: string } | null;
    throw new MapDataError(answer?.error ?? `The hotspots did not arrive: Bluelamp answered with error ${response.status}. Look at what “bluelamp serve” has printed.`);
  }
  return decodeHotspots(await response.json());
}

/** The switch, where the run has hotspots and the map can be drawn. */
export function startHotspots(map: ForceMap, calendar: Calendar, store: Store, areaMap: AreaMap | null, tip: MapTip, theme: () => Theme): HotspotCard | null {
  if (map.hotspots === null || areaMap === null) {
    store.set({ hotspots: NO_HOTSPOTS });
    return null;
  }
  return new HotspotCard(map, calendar, store, areaMap, tip, theme);
}
