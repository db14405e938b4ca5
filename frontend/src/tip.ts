/** What lies under the pointer, at the hour shown: it follows the hour while the pointer rests. */

import type { ForceMap } from './decode';
import { byId, make } from './dom';
import type { State } from './state';
import { valueOf, viewOfPlace, VIEWS } from './wording';

export class MapTip {
  private readonly tip = byId('map-tip');
  private readonly frame = byId('map-view');
  private at: { area: number | null; x: number; y: number } = { area: null, x: 0, y: 0 };
  private above: Node[] | null = null;

  constructor(
    private readonly map: ForceMap,
    private readonly stateNow: () => State,
  ) {}

  /** Moves to an area and a point of the map, or away. */
  show(area: number | null, x: number, y: number): void {
    this.at = { area, x, y };
    this.draw();
  }

  /** Puts lines above those of the area, or takes them away. */
  over(lines: Node[] | null): void {
    this.above = lines;
    this.draw();
  }

  draw(): void {
    const { area, x, y } = this.at;
    this.tip.hidden = area === null && this.above === null;
    if (this.tip.hidden) return;
    this.tip.replaceChildren(...(this.above ?? []), ...(area === null ? [] : this.linesOf(area)));
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const fits = y + 18 + height <= this.frame.clientHeight;
    this.tip.style.transform = `translate(${Math.round(Math.min(x + 14, this.frame.clientWidth - width - 6))}px, ${Math.round(fits ? y + 18 : Math.max(y - height - 10, 4))}px)`;
  }

  private linesOf(area: number): Node[] {
    const { hour, figure } = this.stateNow();
    const view = VIEWS[figure];
    const value = valueOf(this.map, view, { scope: 'area', index: area }, hour);
    const pool = this.map.poolCovering(area, hour);
    return [make('b', {}, this.map.areas.name[area] ?? ''), make('span', {}, `${viewOfPlace(view, 'area')}: ${value === null ? 'no figure' : view.write(value)}`), make('span', {}, pool === null ? 'no pool at this hour' : (this.map.pools.name[pool] ?? ''))];
  }
}
