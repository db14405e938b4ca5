/**
 * The map: areas filled by a figure, pools outlined and labelled, one hour at a time.
 *
 * An hour is drawn by changing feature states only. Nothing goes back to MapLibre's worker, so the next frame shows it.
 */

import 'maplibre-gl/dist/maplibre-gl.css';
import { Map as MapLibreMap, Marker, setWorkerUrl, type GeoJSONSource, type GeoJSONSourceSpecification, type StyleSpecification } from 'maplibre-gl';
import { workerUrl } from 'virtual:map-worker';
import { overlap, placeLabels, withoutCollisions, type Box } from './spread';
import { bordersOfPattern, boxOf, contains, findBorders, labelPoint, ringsOf, type Rings } from './borders';
import type { Underlay } from './basemap';
import { type AreaShapes, type ForceMap, type Place } from './decode';
import { make, setText } from './dom';
import { classesOf, type Scale } from './scales';
import type { Camera } from './state';
import { mixed, type Theme } from './theme';
import { linesOf, shortNames, valueOf, viewOfPlace, type View } from './wording';

export interface MapEvents {
  choose: (place: Place) => void;
  /** The area under the pointer and where the pointer is on the map, or null when it leaves. */
  hover: (area: number | null, x: number, y: number) => void;
  /** The part of the map that is seen, or null when it is the whole force again. */
  look: (camera: Camera | null) => void;
}

const HATCH_SIZE = 12;
/** Names of areas: size, width and line height in pixels, as the style writes them. */
const NAME = { size: 11, lineWidth: 77, lineHeight: 13.2, padding: 3 };
/** With more areas than this, names wait until the map is closer. */
const MOST_NAMES = 45;
/** How an area without a figure is marked; 1 and 2 are the hatches of a shortage. */
const NO_FIGURE = 3;
/** How much of a base map shines through the colours of the areas; the legend is mixed alike. */
export const VEIL = 0.25;
const NOTHING: AreaShapes = { type: 'FeatureCollection', features: [] };

export class AreaMap {
  readonly ready: Promise<void>;
  readonly map: MapLibreMap;
  private readonly centres: [number, number][];
  private readonly markers = new Map<number, { marker: Marker; chip: HTMLButtonElement; name: HTMLElement; value: HTMLElement; shown: boolean; pattern: number }>();
  private readonly sizes = new Map<string, { width: number; height: number }>();
  private readonly rings: Rings[];
  private readonly nameSizes: { width: number; height: number }[];
  private namesFrom = 0;
  /** What the labels were last laid out for, and the names that they cover. */
  private laidOutFor = '';
  private covered = new Set<number>();
  private classes: Int8Array = new Int8Array();
  private colours: readonly string[] = [];
  private scale: Scale | null = null;
  private view: View | null = null;
  private place: Place = { scope: 'force', index: 0 };
  private asked = 0;
  private drawn = -1;
  private pattern = -1;
  private hovered: number | null = null;
  private loaded = false;
  private underlay: Underlay | null = null;
  /** The person has moved the map: it is theirs, and is no longer fitted to its frame. */
  private moved = false;
  private lastFill: string[] = [];
  private lastHatch: Int8Array;

  constructor(
    private readonly data: ForceMap,
    private readonly container: HTMLElement,
    private theme: Theme,
    private readonly events: MapEvents,
    private camera: Camera | null,
  ) {
    const shapes = data.areas.geojson;
    this.centres = shapes.features.map(labelPoint);
    this.lastHatch = new Int8Array(shapes.features.length);
    this.rings = ringsOf(shapes);
    this.nameSizes = data.areas.name.map(measureName());
    setWorkerUrl(workerUrl());
    const box = boxOf(shapes.features.flatMap(({ geometry }) => (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates)));
    this.map = new MapLibreMap({
      container,
      style: this.writeStyle(),
      bounds: box,
      fitBoundsOptions: { padding: this.framePadding() },
      attributionControl: false,
      // The style is ours and checked by the types; checking it again takes a tenth of the first view.
      validateStyle: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      maxPitch: 0,
      renderWorldCopies: false,
      fadeDuration: 0,
      // The page's own keys move the hour; areas are reached by "find", the list and the table.
      keyboard: false,
      // On a small screen the map must not trap the scroll of the page.
      cooperativeGestures: matchMedia('(max-width: 60rem)').matches,
    });
    this.map.touchZoomRotate.disableRotation();
    const canvas = this.map.getCanvas();
    canvas.tabIndex = -1;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `Map of ${data.force.name}. The table shows the same figures.`);
    this.map.on('render', () => {
      if (this.loaded) this.drawn = this.asked;
    });
    this.map.on('click', (event) => {
      const [feature] = this.map.queryRenderedFeatures(event.point, { layers: ['areas'] });
      this.events.choose(typeof feature?.id === 'number' ? { scope: 'area', index: feature.id } : { scope: 'force', index: 0 });
    });
    this.map.on('mousemove', (event) => {
      const [feature] = this.map.queryRenderedFeatures(event.point, { layers: ['areas'] });
      this.hover(typeof feature?.id === 'number' ? feature.id : null, event.point.x, event.point.y);
    });
    this.map.on('mouseout', () => this.hover(null, 0, 0));
    this.map.on('movestart', (event) => {
      // Another area may lie under the pointer afterwards.
      this.hover(null, 0, 0);
      if ('originalEvent' in event && event.originalEvent) this.moved = true;
    });
    this.map.on('moveend', () => {
      if (!this.loaded) return;
      this.layOutPoolLabels();
      this.camera = this.moved ? this.cameraNow() : null;
      this.events.look(this.camera);
    });
    this.map.on('resize', () => {
      if (this.loaded && !this.moved) this.fit(false);
    });
    this.ready = new Promise((resolve, reject) => {
      this.map.once('load', () => {
        const asked = this.camera;
        this.addHatches();
        this.showHatches();
        this.fit(false);
        const zoom = this.map.getZoom();
        this.map.setMinZoom(zoom - 1.5);
        this.map.setMaxZoom(zoom + 4.5);
        // Names of areas compete with the pools' labels until there is room for them.
        if (this.data.count('area') > MOST_NAMES) {
          this.namesFrom = zoom + 0.75;
          this.map.setLayerZoomRange('area-names', this.namesFrom, 24);
        }
        this.loaded = true;
        this.drawHour();
        if (asked) this.goTo(asked);
        this.map.once('idle', () => resolve());
      });
      this.map.on('error', ({ error }) => reject(error));
    });
  }

  /** Shows a figure. Its classes are worked out for every hour now, so that moving through the hours is quick. */
  setView(view: View, scale: Scale): void {
    this.view = view;
    this.scale = scale;
    this.classes = classesOf(this.data, view, scale);
    if (this.loaded) this.showHatches();
    this.colours = scale.colours(this.theme);
    this.drawHour();
  }

  /** Draws the force's own base map under its areas, which then let it shine through. */
  async lay(underlay: Underlay): Promise<string> {
    const credit = await underlay.draw(this.theme);
    this.underlay = underlay;
    this.map.setPaintProperty('areas', 'fill-opacity', 1 - VEIL);
    return credit;
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.underlay?.paint(theme);
    this.colours = this.scale?.colours(theme) ?? [];
    if (!this.loaded) return;
    this.map.setPaintProperty('paper', 'background-color', theme.paper);
    this.map.setPaintProperty('area-lines', 'line-color', theme.line);
    this.map.setPaintProperty('pool-lines', 'line-color', theme.border);
    this.map.setPaintProperty('chosen-casing', 'line-color', theme.casing);
    this.map.setPaintProperty('chosen', 'line-color', theme.accent);
    this.map.setPaintProperty('hovered', 'line-color', theme.ink);
    this.map.setPaintProperty('area-names', 'text-color', theme.ink);
    this.map.setPaintProperty('area-names', 'text-halo-color', theme.paper);
    for (const [name, image] of this.hatches()) this.map.updateImage(name, image);
    this.drawHour();
  }

  setHour(hour: number): void {
    this.asked = hour;
    this.drawHour();
    if (!this.loaded) return;
    // Drawn now rather than in the next frame: the graphics work then runs beside the writing of the panel.
    this.map.redraw();
    this.map.getCanvas().getContext('webgl2')?.flush();
  }

  setPlace(place: Place, bring: boolean): void {
    const before = this.place;
    this.place = place;
    if (!this.loaded) return;
    if (before.scope === 'area' || place.scope === 'area') this.outline('chosen', place.scope === 'area' ? place.index : null);
    this.drawHour();
    if (bring) this.bring(place);
  }

  /** Whether the figure is missing somewhere, so that the legend must say how that looks. */
  hasBlanks(): boolean {
    const areas = this.data.count('area');
    return this.classes.some((kind, at) => kind < 0 && this.data.hasShape(at % areas));
  }

  /** The hour in the last frame that was drawn. */
  drawnHour(): number {
    return this.drawn;
  }

  /** How many areas the last frame really holds: a map can call itself idle and show nothing. */
  renderedAreas(): number {
    if (!this.loaded) return 0;
    return new Set(this.map.queryRenderedFeatures({ layers: ['areas'] }).map(({ id }) => id)).size;
  }

  /** The middle of an area on the page, for tests that click it. */
  screenPoint(area: number): { x: number; y: number } | null {
    const centre = this.centres[area];
    if (!centre || !this.data.hasShape(area)) return null;
    const { left, top } = this.map.getCanvas().getBoundingClientRect();
    const { x, y } = this.map.project(centre);
    return { x: left + x, y: top + y };
  }

  zoom(by: number): void {
    this.moved = true;
    this.map.zoomTo(this.map.getZoom() + by, { duration: this.duration() });
  }

  /** Shows a part of the map, or with null the whole force. */
  look(camera: Camera | null): void {
    if (JSON.stringify(camera) === JSON.stringify(this.camera)) return;
    if (!this.loaded) this.camera = camera;
    else if (camera) this.goTo(camera);
    else this.fit(false);
  }

  fit(glide = true): void {
    this.moved = false;
    const features = this.data.areas.geojson.features;
    this.map.fitBounds(boxOf(features.flatMap(({ geometry }) => (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates))), {
      padding: this.framePadding(),
      duration: glide ? this.duration() : 0,
    });
  }

  resize(): void {
    this.map.resize();
  }

  /** The drawn map with its pool labels, for print and for a picture: a browser drops a WebGL canvas from a printed page. */
  picture(): HTMLCanvasElement {
    const drawn = this.map.getCanvas();
    const before = this.map.getPixelRatio();
    // Sharp enough for paper, whatever the screen.
    this.map.setPixelRatio(Math.max(2, before));
    this.map.redraw();
    const picture = make('canvas', { width: drawn.width, height: drawn.height });
    const context = picture.getContext('2d');
    context?.drawImage(drawn, 0, 0);
    this.map.setPixelRatio(before);
    this.map.redraw();
    if (!context) return picture;
    const ratio = picture.width / drawn.clientWidth;
    context.scale(ratio, ratio);
    context.textBaseline = 'middle';
    const [small, large] = ['12px system-ui, sans-serif', '700 15px system-ui, sans-serif'];
    for (const { marker, chip, name, value, shown } of this.markers.values()) {
      // While hotspots are shown the labels make room for them.
      if (!shown || chip.offsetParent === null) continue;
      const at = this.map.project(marker.getLngLat());
      const [x, y] = [at.x + marker.getOffset().x, at.y + marker.getOffset().y];
      const lines = name.classList.contains('visually-hidden') ? [''] : (name.textContent ?? '').split('\n');
      const figure = value.textContent ?? '';
      context.font = large;
      const figureWidth = context.measureText(figure).width;
      context.font = small;
      const linesWidth = Math.max(...lines.map((line) => context.measureText(line).width));
      const [width, height] = [linesWidth + figureWidth + 20, 8 + 16 * lines.length];
      const isShort = chip.classList.contains('is-short');
      context.beginPath();
      context.roundRect(x - width / 2, y - height / 2, width, height, 12);
      context.fillStyle = isShort ? this.theme.short : this.theme.card;
      context.fill();
      context.strokeStyle = isShort ? this.theme.card : this.theme.muted;
      context.stroke();
      context.fillStyle = isShort ? this.theme.onShort : this.theme.ink;
      lines.forEach((line, index) => context.fillText(line, x - width / 2 + 7, y + 1 + 16 * (index - (lines.length - 1) / 2)));
      context.font = large;
      context.fillText(figure, x + width / 2 - 7 - figureWidth, y + 1);
    }
    return picture;
  }

  private goTo({ zoom, latitude, longitude }: Camera): void {
    this.moved = true;
    this.map.jumpTo({ center: [longitude, latitude], zoom });
  }

  private cameraNow(): Camera {
    const { lng, lat } = this.map.getCenter();
    const [zoom, latitude, longitude] = [this.map.getZoom().toFixed(2), lat.toFixed(5), lng.toFixed(5)].map(Number) as [number, number, number];
    return { zoom, latitude, longitude };
  }

  private framePadding() {
    return this.container.clientWidth < 480 ? 10 : { top: 16, bottom: 16, left: 24, right: 44 };
  }

  private duration(): number {
    return matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 350;
  }

  private bring(place: Place): void {
    const indexes = place.scope === 'area' ? [place.index] : place.scope === 'pool' ? this.data.areasOfPool(place.index, this.asked) : [];
    const bounds = this.map.getBounds();
    if (indexes.length === 0 || indexes.every((area) => !this.data.hasShape(area)) || indexes.every((area) => bounds.contains(this.centres[area] as [number, number]))) return;
    const shapes = indexes.map((area) => this.data.areas.geojson.features[area]?.geometry).filter((geometry) => geometry !== undefined);
    this.moved = true;
    this.map.fitBounds(boxOf(shapes.flatMap((geometry) => (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates))), {
      padding: 60,
      maxZoom: Math.max(this.map.getZoom(), this.map.getMinZoom() + 2.5),
      duration: this.duration(),
    });
  }

  private outline(which: 'hovered' | 'chosen', area: number | null): void {
    const feature = area === null ? undefined : this.data.areas.geojson.features[area];
    (this.map.getSource(which) as GeoJSONSource | undefined)?.setData(feature ? { type: 'FeatureCollection', features: [feature] } : NOTHING);
  }

  private hover(area: number | null, x: number, y: number): void {
    if (area !== this.hovered) {
      this.outline('hovered', area);
      this.map.getCanvas().style.cursor = area === null ? '' : 'pointer';
      this.hovered = area;
    }
    this.events.hover(area, x, y);
  }

  private drawHour(): void {
    if (!this.loaded || !this.scale || !this.view) return;
    const areas = this.lastHatch.length;
    const from = this.asked * areas;
    const dimmedFor = this.place.scope === 'pool' && this.data.poolsAt(this.asked).includes(this.place.index) ? this.place.index : null;
    for (let area = 0; area < areas; area++) {
      const index = this.classes[from + area] as number;
      const dim = dimmedFor !== null && this.data.poolCovering(area, this.asked) !== dimmedFor;
      const own = index < 0 ? this.theme.noFigure : (this.colours[index] as string);
      // Faded here and not by a layer over the map: every layer costs time where there is no graphics card.
      const fill = dim ? mixed(own, this.theme.paper, 0.68) : own;
      const hatch = dim ? 0 : index < 0 ? NO_FIGURE : this.scale.short && index < this.scale.short.below ? (index < this.scale.short.severe ? 2 : 1) : 0;
      if (fill !== this.lastFill[area] || hatch !== this.lastHatch[area]) {
        this.map.setFeatureState({ source: 'areas', id: area }, { fill, hatch });
        this.lastFill[area] = fill;
        this.lastHatch[area] = hatch;
      }
    }
    const pattern = this.data.patternAt(this.asked);
    if (pattern !== this.pattern) {
      if (this.pattern >= 0) this.map.setFeatureState({ source: 'pools', id: this.pattern }, { shown: false });
      this.map.setFeatureState({ source: 'pools', id: pattern }, { shown: true });
      this.pattern = pattern;
    }
    this.drawPoolLabels();
    // Even an hour that looks the same as the last one counts as drawn only once a frame has been.
    this.map.triggerRepaint();
  }

  private drawPoolLabels(): void {
    const view = this.view as View;
    const scale = this.scale as Scale;
    const active = this.data.poolsAt(this.asked);
    const { names } = shortNames(active.map((pool) => this.data.pools.name[pool] ?? ''));
    const crowded = active.length > 10 || (active.length > 3 && this.container.clientWidth < 480);
    active.forEach((pool, at) => {
      const label = this.labelOf(pool);
      if (label.pattern !== this.pattern) {
        label.marker.setLngLat(this.poolCentre(pool));
        label.pattern = this.pattern;
      }
      if (!label.shown) {
        label.marker.addTo(this.map);
        label.shown = true;
      }
      const value = valueOf(this.data, view, { scope: 'pool', index: pool }, this.asked);
      const written = value === null ? '–' : value === Infinity ? '∞' : view.write(value);
      setText(label.value, written);
      setText(label.name, linesOf(names[at] ?? '').join('\n'));
      label.name.classList.toggle('visually-hidden', crowded);
      const isShort = view.key === 'gap' && value !== null && value < 0;
      const severe = isShort && scale.short !== undefined && scale.classOf(value) < scale.short.severe;
      label.chip.classList.toggle('is-short', isShort);
      label.chip.classList.toggle('is-severe', severe);
      const chosen = this.place.scope === 'pool' && this.place.index === pool;
      label.chip.setAttribute('aria-pressed', String(chosen));
      label.chip.title = `${this.data.pools.name[pool] ?? ''}: ${viewOfPlace(view, 'pool')} ${written}`;
    });
    for (const [pool, label] of this.markers) {
      if (label.shown && !active.includes(pool)) {
        label.marker.remove();
        label.shown = false;
      }
    }
    // Values are of about one width, so that labels stay where they are while the hours go by.
    const layout = `${this.pattern}/${view.key}/${crowded}`;
    if (layout !== this.laidOutFor) this.layOutPoolLabels();
    this.laidOutFor = layout;
  }

  /** Finds each pool's label a place where it covers few names; the names that it covers still give way. */
  private layOutPoolLabels(): void {
    const shown = [...this.markers].filter(([, label]) => label.shown);
    const { clientWidth: width, clientHeight: height } = this.container;
    const names = this.nameBoxes();
    const pixels = ([longitude, latitude]: [number, number]): [number, number] => {
      const { x, y } = this.map.project([longitude, latitude]);
      return [x, y];
    };
    const labels = shown.map(([pool, { marker, chip }]) => {
      const { lng, lat } = marker.getLngLat();
      return { ...this.sizeOf(chip), middle: pixels([lng, lat]), anchors: this.centresOf(pool).map(pixels), isOwn: (x: number, y: number) => this.poolAt(x, y) === pool };
    });
    const placed = placeLabels(labels, withoutCollisions(names), { width, height });
    shown.forEach(([, { marker }], at) => {
      const [[x, y], { middle }] = [placed[at] as [number, number], labels[at] as (typeof labels)[number]];
      marker.setOffset([x - middle[0], y - middle[1]]);
    });
    const chips: Box[] = labels.map((label, at) => ({ ...label, x: (placed[at] as [number, number])[0], y: (placed[at] as [number, number])[1] }));
    const covered = new Set(names.filter((name) => chips.some((chip) => overlap(name, chip))).map(({ area }) => area));
    for (const area of new Set([...covered, ...this.covered])) {
      if (covered.has(area) !== this.covered.has(area)) this.map.setFeatureState({ source: 'centres', id: area }, { covered: covered.has(area) });
    }
    this.covered = covered;
  }

  /** The pool that covers the area under a point of the map. */
  private poolAt(x: number, y: number): number | null {
    const { lng, lat } = this.map.unproject([x, y]);
    const area = this.rings.findIndex(({ polygons, box }) => lng >= box[0] && lng <= box[2] && lat >= box[1] && lat <= box[3] && contains(polygons, lng, lat));
    return area < 0 ? null : this.data.poolCovering(area, this.asked);
  }

  /** Where the names of areas stand, as far as they are written at this zoom. */
  private nameBoxes(): (Box & { area: number })[] {
    if (this.map.getZoom() < this.namesFrom) return [];
    return this.centres.flatMap((centre, area) => {
      if (!this.data.hasShape(area)) return [];
      const { x, y } = this.map.project(centre);
      return [{ ...(this.nameSizes[area] as { width: number; height: number }), x, y, area }];
    });
  }

  /** Measured once for each text: asking the browser every time would make it lay out the page every time. */
  private sizeOf(chip: HTMLElement): { width: number; height: number } {
    const text = `${chip.textContent}${chip.firstElementChild?.className}`;
    const known = this.sizes.get(text) ?? { width: chip.offsetWidth, height: chip.offsetHeight };
    if (known.width > 0) this.sizes.set(text, known);
    return known;
  }

  private labelOf(pool: number) {
    const known = this.markers.get(pool);
    if (known) return known;
    const name = make('span', { class: 'pool-chip-name' });
    const value = make('span', { class: 'pool-chip-value' });
    const chip = make('button', { type: 'button', class: 'pool-chip' }, name, value);
    chip.addEventListener('click', (event) => {
      event.stopPropagation();
      this.events.choose({ scope: 'pool', index: pool });
    });
    const made = { marker: new Marker({ element: chip, anchor: 'center' }).setLngLat([0, 0]), chip, name, value, shown: false, pattern: -1 };
    this.markers.set(pool, made);
    return made;
  }

  private centresOf(pool: number): [number, number][] {
    return this.data.areasOfPool(pool, this.asked).flatMap((area) => (this.data.hasShape(area) ? [this.centres[area] as [number, number]] : []));
  }

  /** The middle of the area that lies nearest to the middle of the pool: always inside it. */
  private poolCentre(pool: number): [number, number] {
    const centres = this.centresOf(pool);
    const middle = [0, 1].map((axis) => centres.reduce((sum, centre) => sum + (centre[axis] as number), 0) / centres.length) as [number, number];
    const away = ([x, y]: [number, number]) => (x - middle[0]) ** 2 + (y - middle[1]) ** 2;
    return centres.reduce((best, centre) => (away(centre) < away(best) ? centre : best), centres[0] ?? middle);
  }

  private writeStyle(): StyleSpecification {
    const shapes = this.data.areas.geojson;
    const borders = findBorders(shapes);
    const areas: GeoJSONSourceSpecification = { type: 'geojson', data: { ...shapes, features: shapes.features.map((feature, id) => ({ ...feature, id, properties: {} })) }, tolerance: 0.2 };
    const theme = this.theme;
    return {
      version: 8,
      sources: {
        areas,
        pools: {
          type: 'geojson',
          tolerance: 0.2,
          data: {
            type: 'FeatureCollection',
            features: this.data.coverPatterns.map((pattern, id) => ({ type: 'Feature', id, properties: {}, geometry: { type: 'MultiLineString', coordinates: bordersOfPattern(borders, pattern) } })),
          },
        },
        // Outlines of one area each, so that a frame does not draw every area's outline to show one.
        hovered: { type: 'geojson', data: NOTHING },
        chosen: { type: 'geojson', data: NOTHING },
        centres: {
          type: 'geojson',
          data: {
            type: 'FeatureCollection',
            features: this.centres.flatMap((coordinates, id) => (!this.data.hasShape(id) ? [] : { type: 'Feature', id, properties: { name: this.data.areas.name[id] ?? '' }, geometry: { type: 'Point', coordinates } } as const)),
          },
        },
      },
      layers: [
        { id: 'paper', type: 'background', paint: { 'background-color': theme.paper } },
        { id: 'areas', type: 'fill', source: 'areas', paint: { 'fill-color': ['to-color', ['feature-state', 'fill'], theme.noFigure], 'fill-antialias': false } },
        { id: 'short', type: 'fill', source: 'areas', layout: { visibility: 'none' }, paint: { 'fill-antialias': false, 'fill-pattern': 'hatch', 'fill-opacity': ['case', ['==', ['feature-state', 'hatch'], 1], 1, 0] } },
        { id: 'very-short', type: 'fill', source: 'areas', layout: { visibility: 'none' }, paint: { 'fill-antialias': false, 'fill-pattern': 'cross-hatch', 'fill-opacity': ['case', ['==', ['feature-state', 'hatch'], 2], 1, 0] } },
        { id: 'no-figure', type: 'fill', source: 'areas', layout: { visibility: 'none' }, paint: { 'fill-antialias': false, 'fill-pattern': 'dots', 'fill-opacity': ['case', ['==', ['feature-state', 'hatch'], NO_FIGURE], 1, 0] } },
        { id: 'area-lines', type: 'line', source: 'areas', paint: { 'line-color': theme.line, 'line-width': ['interpolate', ['linear'], ['zoom'], 6, 0.5, 12, 1.2], 'line-opacity': 0.85 } },
        {
          id: 'pool-lines',
          type: 'line',
          source: 'pools',
          layout: { 'line-join': 'round', 'line-cap': 'round' },
          paint: { 'line-color': theme.border, 'line-width': 2.2, 'line-opacity': ['case', ['boolean', ['feature-state', 'shown'], false], 0.9, 0] },
        },
        { id: 'hovered', type: 'line', source: 'hovered', layout: { 'line-join': 'round' }, paint: { 'line-color': theme.ink, 'line-width': 1.6 } },
        { id: 'chosen-casing', type: 'line', source: 'chosen', layout: { 'line-join': 'round' }, paint: { 'line-color': theme.casing, 'line-width': 6 } },
        { id: 'chosen', type: 'line', source: 'chosen', layout: { 'line-join': 'round' }, paint: { 'line-color': theme.accent, 'line-width': 3.2 } },
        {
          id: 'area-names',
          type: 'symbol',
          source: 'centres',
          // No glyph server: without one MapLibre draws letters with the fonts of this machine.
          layout: { 'text-field': ['get', 'name'], 'text-font': ['system-ui', 'sans-serif'], 'text-size': NAME.size, 'text-max-width': NAME.lineWidth / NAME.size, 'text-padding': NAME.padding },
          paint: { 'text-color': theme.ink, 'text-halo-color': theme.paper, 'text-halo-width': 1.4, 'text-opacity': ['case', ['boolean', ['feature-state', 'covered'], false], 0, 1] },
        },
      ],
      transition: { duration: 0, delay: 0 },
    };
  }

  /** Layers that could hatch nothing are not drawn at all. */
  private showHatches(): void {
    for (const layer of ['short', 'very-short']) this.map.setLayoutProperty(layer, 'visibility', this.scale?.short ? 'visible' : 'none');
    this.map.setLayoutProperty('no-figure', 'visibility', this.hasBlanks() ? 'visible' : 'none');
  }

  private addHatches(): void {
    for (const [name, image] of this.hatches()) this.map.addImage(name, image, { pixelRatio: 2 });
  }

  private hatches(): [string, { width: number; height: number; data: Uint8ClampedArray }][] {
    return [
      ['hatch', drawHatch(this.theme.shortInk, false)],
      ['cross-hatch', drawHatch(this.theme.shortInk, true)],
      ['dots', drawDots(this.theme.muted)],
    ];
  }
}

/** How large a name is on the map, broken into lines as the map breaks it. */
function measureName(): (name: string) => { width: number; height: number } {
  const context = document.createElement('canvas').getContext('2d');
  if (context) context.font = `${NAME.size}px system-ui, sans-serif`;
  const widthOf = (text: string) => context?.measureText(text).width ?? text.length * NAME.size * 0.55;
  return (name) => {
    const lines = [''];
    for (const word of name.split(' ')) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (lines.at(-1) === '' || widthOf(longer) <= NAME.lineWidth) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return { width: Math.max(...lines.map(widthOf)) + 2 * NAME.padding, height: lines.length * NAME.lineHeight + 2 * NAME.padding };
  };
}

/** Diagonal lines, both ways where the shortage is severe, as raw pixels so that they tile without a seam. */
function drawHatch(colour: string, crossed: boolean): { width: number; height: number; data: Uint8ClampedArray } {
  const size = HATCH_SIZE;
  const data = new Uint8ClampedArray(size * size * 4);
  const [red, green, blue] = channels(colour);
  const strength = (distance: number) => Math.max(0, Math.min(1, 1.6 - distance));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const rising = Math.abs(((x + y + 1) % size) - size / 2) * Math.SQRT1_2;
      const falling = Math.abs(((x - y + size) % size) - size / 2) * Math.SQRT1_2;
      const alpha = Math.max(strength(rising), crossed ? strength(falling) : 0);
      data.set([red, green, blue, Math.round(alpha * 120)], (y * size + x) * 4);
    }
  }
  return { width: size, height: size, data };
}

/** Dots where there is no figure, so that grey alone never says so. */
function drawDots(colour: string): { width: number; height: number; data: Uint8ClampedArray } {
  const size = HATCH_SIZE;
  const data = new Uint8ClampedArray(size * size * 4);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const away = Math.hypot(x - (size - 1) / 2, y - (size - 1) / 2);
      data.set([...channels(colour), Math.round(160 * Math.max(0, Math.min(1, 2.2 - away)))], (y * size + x) * 4);
    }
  }
  return { width: size, height: size, data };
}

function channels(colour: string): [number, number, number] {
  const channel = (from: number) => parseInt(colour.slice(from, from + 2), 16);
  return [channel(1), channel(3), channel(5)];
}
