/**
 * The base map that a force may give: one PMTiles file, read by byte ranges from the service that gave the page.
 *
 * It is drawn in greys under the areas, without letters, because figures come first. Of a file of shapes any layers are
 * drawn, whatever they are called: whoever made the file chose them.
 */

import type { addProtocol as AddProtocol, LayerSpecification, Map as MapLibreMap } from 'maplibre-gl';
import { PMTiles, Protocol } from 'pmtiles';
import type { Basemap } from './decode';
import type { Theme } from './theme';

const WATER = /water|sea|river|lake|foreshore|ocean|tidal/i;
/** Outlines of these would draw each house or field. */
const AREAS_ALONE = /building|land|green|wood|park|site|urban|water|sea|earth/i;

export class Underlay {
  private readonly paints: { layer: string; property: string; colour: (theme: Theme) => string | number }[] = [];

  constructor(
    private readonly map: MapLibreMap,
    private readonly basemap: Basemap,
    /** MapLibre's own, handed in: this chunk is loaded after the page's entry and must not start that again. */
    private readonly addProtocol: typeof AddProtocol,
  ) {}

  /** Adds its layers below the areas; gives whose map it is. */
  async draw(theme: Theme): Promise<string> {
    const protocol = new Protocol();
    const file = new PMTiles(new URL(this.basemap.address, location.href).href);
    protocol.add(file);
    this.addProtocol('pmtiles', protocol.tile);
    const metadata = (await file.getMetadata()) as { attribution?: string; vector_layers?: { id: string }[] };
    this.map.addSource('basemap', { type: this.basemap.tiles === 'raster' ? 'raster' : 'vector', url: `pmtiles://${file.source.getKey()}`, ...(this.basemap.tiles === 'raster' ? { tileSize: 256 } : {}) });
    if (this.basemap.tiles === 'raster') this.addPictures();
    else for (const { id } of metadata.vector_layers ?? []) this.addShapes(id);
    this.paint(theme);
    // Some files write whose they are as a link: its words are what must be read.
    const words = this.basemap.attribution ?? new DOMParser().parseFromString(metadata.attribution ?? '', 'text/html').body.textContent;
    return words?.trim() || 'Base map given by the force';
  }

  /** Colours it for a theme. */
  paint(theme: Theme): void {
    for (const { layer, property, colour } of this.paints) this.map.setPaintProperty(layer, property as 'fill-color', colour(theme) as string);
  }

  private addPictures(): void {
    this.add({ id: 'basemap', type: 'raster', source: 'basemap', paint: { 'raster-saturation': -0.85, 'raster-fade-duration': 0 } });
    this.paints.push(
      { layer: 'basemap', property: 'raster-opacity', colour: ({ name }) => (name === 'dark' ? 0.55 : 0.7) },
      { layer: 'basemap', property: 'raster-brightness-max', colour: ({ name }) => (name === 'dark' ? 0.4 : 1) },
    );
  }

  private addShapes(id: string): void {
    const ground = WATER.test(id) ? 'water' : 'land';
    this.add({ id: `basemap-ground-${id}`, type: 'fill', source: 'basemap', 'source-layer': id, filter: ['==', ['geometry-type'], 'Polygon'] });
    this.paints.push({ layer: `basemap-ground-${id}`, property: 'fill-color', colour: ({ under }) => under[ground] });
    if (AREAS_ALONE.test(id) && ground === 'land') return;
    this.add({
      id: `basemap-lines-${id}`,
      type: 'line',
      source: 'basemap',
      'source-layer': id,
      filter: ['==', ['geometry-type'], 'LineString'],
      paint: { 'line-width': ['interpolate', ['linear'], ['zoom'], 7, 0.4, 14, 1.6] },
    });
    this.paints.push({ layer: `basemap-lines-${id}`, property: 'line-color', colour: ({ under }) => (ground === 'water' ? under.water : under.road) });
  }

  private add(layer: LayerSpecification): void {
    this.map.addLayer(layer, 'areas');
  }
}
