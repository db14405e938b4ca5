/** What lies under the pointer, at the hour shown: it follows the hour while the pointer rests. */

import type { ForceMap } from './decode';
import { byId, make } from './dom';
import type { State } from './state';
import { valueOf, viewOfPlace, VIEWS } from './wording';

export class MapTip {
  private readonly tip = byId('map-tip');
  private readonly frame = byId('map-view');
  private at: { area: number; x: number; y: number } | null = null;

  constructor(
    private readonly map: ForceMap,
    private readonly stateNow: () => State,
  ) {}

  /** Moves to an area and a point of the map, or away. */
  show(area: number | null, x: number, y: number): void {
    this.at = area === null ? null : { area, x, y };
    this.draw();
  }

  draw(): void {
    this.tip.hidden = this.at === null;
    if (!this.at) return;
    const { area, x, y } = this.at;
    const { hour, figure } = this.stateNow();
    const view = VIEWS[figure];
    const value = valueOf(this.map, view, { scope: 'area', index: area }, hour);
    const pool = this.map.poolCovering(area, hour);
    this.tip.replaceChildren(make('b', {}, this.map.areas.name[area] ?? ''), make('span', {}, `${viewOfPlace(view, 'area')}: ${value === null ? 'no figure' : view.write(value)}`), make('span', {}, pool === null ? 'no pool at this hour' : (this.map.pools.name[pool] ?? '')));
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const fits = y + 18 + height <= this.frame.clientHeight;
    this.tip.style.transform = `translate(${Math.round(Math.min(x + 14, this.frame.clientWidth - width - 6))}px, ${Math.round(fits ? y + 18 : y - height - 10)}px)`;
  }
}
