/**
 * Hotspots on the map: over the areas, in a hue that no figure has, with the place's number.
 *
 * Where a hexagon would be too small to see, a dot stands for it. Areas keep the figure that they show: as hotspots they
 * are outlined alone.
 */

import type { GeoJSONSource, Map as MapLibreMap, MapMouseEvent } from 'maplibre-gl';
import type { Feature, FeatureCollection, Position } from 'geojson';
import { boxOf } from './borders';
import type { Hotspots, Outline } from './hotspots';
import { inkOn, type Theme } from './theme';

export interface LayerEvents {
  choose: (row: number) => void;
  hover: (row: number | null) => void;
}

const NOTHING: FeatureCollection = { type: 'FeatureCollection', features: [] };
const SOURCES = ['hotspots', 'hotspot-middles', 'hotspot-chosen'];
/** So many places are numbered where they are dots, and listed at first; the others are smaller dots. */
export const FIRST_SHOWN = 12;
/** A place narrower than this many pixels is drawn as a dot. */
const LEAST_PIXELS = 15;
/** Metres a pixel at zoom nought on the equator, for MapLibre's tiles of 512 pixels. */
const METRES = 78_271.517;

export class HotspotLayer {
  private isThere = false;
  private hovered: number | null = null;

  constructor(
    private readonly map: MapLibreMap,
    private readonly events: LayerEvents,
  ) {}

  /** Draws some places of a class, best first, each with its number; `chosen` is the one that is looked at. */
  draw(hotspots: Hotspots, rows: number[], isPlain: boolean, chosen: number | null, theme: Theme): void {
    if (!this.isThere) this.add();
    const colours = hotspots.scale(isPlain).colours(theme);
    const features: Feature[] = [];
    const middles: Feature[] = [];
    rows.forEach((row, at) => {
      const cell = hotspots.cellOf(row);
      const { outline, longitude, latitude } = hotspots.cells;
      const colour = colours[hotspots.classOf(row, isPlain)] as string;
      const properties = { row, colour, ink: inkOn(colour), number: String(hotspots.number(isPlain ? 'count_rank' : 'rank', row) ?? at + 1), at };
      const shape = outline[cell];
      if (shape) features.push({ type: 'Feature', properties, geometry: shape });
      middles.push({ type: 'Feature', properties, geometry: { type: 'Point', coordinates: [longitude[cell] ?? 0, latitude[cell] ?? 0] } });
    });
    this.put('hotspots', features);
    this.put('hotspot-middles', middles);
    this.choose(hotspots, rows, chosen);
    this.paint(hotspots, rows, theme);
  }

  choose(hotspots: Hotspots, rows: number[], chosen: number | null): void {
    if (!this.isThere) return;
    const shape = chosen !== null && rows.includes(chosen) ? hotspots.cells.outline[hotspots.cellOf(chosen)] : null;
    this.put('hotspot-chosen', shape ? [{ type: 'Feature', properties: {}, geometry: shape }] : []);
  }

  clear(): void {
    if (!this.isThere) return;
    for (const source of SOURCES) this.put(source, []);
    this.hover(null);
  }

  /** Brings a place into sight, close enough to tell its streets from the next ones. */
  fly(hotspots: Hotspots, row: number): void {
    const cell = hotspots.cellOf(row);
    const shape = hotspots.cells.outline[cell];
    const [longitude, latitude] = [hotspots.cells.longitude[cell] ?? 0, hotspots.cells.latitude[cell] ?? 0];
    const box = shape ? boxOf([[positionsOf(shape)]]) : ([longitude, latitude, longitude, latitude] as const);
    const duration = matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 600;
    this.map.fitBounds([box[0], box[1], box[2], box[3]], { padding: 130, maxZoom: Math.max(this.map.getZoom(), this.map.getMinZoom() + 4), duration });
  }

  /** How many places the last frame really holds. */
  rendered(): number {
    if (!this.isThere) return 0;
    const layers = ['hotspot-fill', 'hotspot-lines', 'hotspot-dots'];
    return new Set(this.map.queryRenderedFeatures({ layers }).map(({ properties }) => properties['row'] as number)).size;
  }

  /** Where a place lies on the page, for tests that point at it. */
  screenPoint(hotspots: Hotspots, row: number): { x: number; y: number } {
    const cell = hotspots.cellOf(row);
    const { left, top } = this.map.getCanvas().getBoundingClientRect();
    const { x, y } = this.map.project([hotspots.cells.longitude[cell] ?? 0, hotspots.cells.latitude[cell] ?? 0]);
    return { x: left + x, y: top + y };
  }

  private put(source: string, features: Feature[]): void {
    (this.map.getSource(source) as GeoJSONSource | undefined)?.setData(features.length === 0 ? NOTHING : { type: 'FeatureCollection', features });
  }

  private add(): void {
    this.isThere = true;
    for (const source of SOURCES) this.map.addSource(source, { type: 'geojson', data: NOTHING, tolerance: 0.1 });
    // Under the borders of areas, so that those can still be read.
    this.map.addLayer({ id: 'hotspot-fill', type: 'fill', source: 'hotspots', paint: { 'fill-color': ['get', 'colour'], 'fill-opacity': 0.92, 'fill-antialias': false } }, 'area-lines');
    this.map.addLayer({ id: 'hotspot-casing', type: 'line', source: 'hotspots', layout: { 'line-join': 'round', 'line-cap': 'round' }, paint: { 'line-width': 3.4 } }, 'hovered');
    this.map.addLayer({ id: 'hotspot-lines', type: 'line', source: 'hotspots', layout: { 'line-join': 'round', 'line-cap': 'round' }, paint: { 'line-width': 1.4 } }, 'hovered');
    this.map.addLayer({ id: 'hotspot-dots', type: 'circle', source: 'hotspot-middles', paint: { 'circle-radius': ['case', ['<', ['get', 'at'], FIRST_SHOWN], 8.5, 4], 'circle-color': ['get', 'colour'], 'circle-stroke-width': 1.4 }, layout: { 'circle-sort-key': ['-', 0, ['get', 'at']] } }, 'hovered');
    this.map.addLayer({ id: 'hotspot-chosen', type: 'line', source: 'hotspot-chosen', layout: { 'line-join': 'round' }, paint: { 'line-width': 3.4 } });
    this.map.addLayer({
      id: 'hotspot-numbers',
      type: 'symbol',
      source: 'hotspot-middles',
      layout: { 'text-field': ['get', 'number'], 'text-font': ['system-ui', 'sans-serif'], 'text-size': 11, 'symbol-sort-key': ['get', 'at'] },
      paint: { 'text-color': ['get', 'ink'] },
    });
    const rowAt = (event: MapMouseEvent): number | null => {
      const [feature] = this.map.queryRenderedFeatures(event.point, { layers: ['hotspot-dots', 'hotspot-fill', 'hotspot-casing'] });
      return (feature?.properties['row'] as number | undefined) ?? null;
    };
    this.map.on('mousemove', (event) => this.hover(rowAt(event)));
    this.map.on('mouseout', () => this.hover(null));
    this.map.on('movestart', () => this.hover(null));
    this.map.on('click', (event) => {
      const row = rowAt(event);
      if (row !== null) this.events.choose(row);
    });
  }

  private hover(row: number | null): void {
    if (row === this.hovered) return;
    this.hovered = row;
    this.events.hover(row);
  }

  /** Widths and colours, by what a place is, how large, and by the theme. */
  private paint(hotspots: Hotspots, rows: number[], theme: Theme): void {
    const isHexagon = hotspots.kind === 'hexagon';
    const { casing, hotspotLine: line } = theme;
    this.map.setPaintProperty('hotspot-fill', 'fill-opacity', isHexagon ? 0.92 : 0);
    this.map.setLayoutProperty('hotspot-fill', 'visibility', hotspots.kind === 'street' ? 'none' : 'visible');
    this.map.setPaintProperty('hotspot-casing', 'line-color', isHexagon ? casing : line);
    this.map.setPaintProperty('hotspot-casing', 'line-width', isHexagon ? 3.4 : 7);
    this.map.setPaintProperty('hotspot-lines', 'line-color', isHexagon ? line : ['get', 'colour']);
    this.map.setPaintProperty('hotspot-lines', 'line-width', isHexagon ? 1.4 : 4.6);
    this.map.setPaintProperty('hotspot-dots', 'circle-stroke-color', line);
    this.map.setPaintProperty('hotspot-chosen', 'line-color', theme.ink);
    // In a dot and in a hexagon a number lies on their colour, on a street beside it.
    const isArea = hotspots.kind === 'area';
    this.map.setPaintProperty('hotspot-numbers', 'text-color', isArea ? theme.ink : ['get', 'ink']);
    this.map.setPaintProperty('hotspot-numbers', 'text-halo-color', isArea ? theme.card : ['get', 'colour']);
    this.map.setPaintProperty('hotspot-numbers', 'text-halo-width', isHexagon ? 0 : 2);
    const from = this.zoomToSee(hotspots, rows);
    this.map.setLayoutProperty('hotspot-dots', 'visibility', isArea ? 'none' : 'visible');
    this.map.setLayerZoomRange('hotspot-dots', 0, from);
    // Above the area's own name.
    this.map.setLayoutProperty('hotspot-numbers', 'text-offset', isArea ? [0, -1.4] : [0, 0]);
    this.map.setLayoutProperty('hotspot-numbers', 'text-field', ['step', ['zoom'], ['case', ['<', ['get', 'at'], FIRST_SHOWN], ['get', 'number'], ''], isArea ? 0 : from, ['get', 'number']]);
    // A number among dots that lie upon each other would stand on another one's dot: there the best place's alone is told.
    this.map.setLayoutProperty('hotspot-numbers', 'text-padding', isArea ? 0 : ['step', ['zoom'], 5, from, 0]);
  }

  /** The zoom from which the places are wide enough to be seen as they are. */
  private zoomToSee(hotspots: Hotspots, rows: number[]): number {
    const first = rows[0];
    if (first === undefined) return 0;
    const cell = hotspots.cellOf(first);
    const size = hotspots.cells.size[cell] ?? 0.1;
    const metres = hotspots.kind === 'street' ? size * 1000 : Math.sqrt(size * 1e6);
    const latitude = ((hotspots.cells.latitude[cell] ?? 0) * Math.PI) / 180;
    return Math.min(Math.max(Math.log2((METRES * Math.cos(latitude) * LEAST_PIXELS) / Math.max(metres, 1)), 0), 23);
  }
}

function positionsOf(shape: Outline): Position[] {
  switch (shape.type) {
    case 'LineString':
      return shape.coordinates;
    case 'MultiLineString':
    case 'Polygon':
      return shape.coordinates.flat();
    case 'MultiPolygon':
      return shape.coordinates.flat(2);
  }
}
