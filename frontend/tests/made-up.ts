/** A force small enough to read: two areas, a day pool each, one night pool for both. */

import { decodeForceMap, type ForceMap } from '../src/decode';

interface Wish {
  start?: string;
  hours?: number;
  timeZone?: string;
  gaps?: (number | null)[][];
  dataUntil?: string;
  geography?: 'boundaries' | 'approximate' | 'names' | 'none';
  notes?: string[];
  hotspots?: string[];
}

export function makeUp(wish: Wish = {}): ForceMap {
  return decodeForceMap(makeUpPayload(wish));
}

export function makeUpPayload({ start = '2026-11-27T18:00Z', hours = 48, timeZone = 'Europe/London', gaps, dataUntil = start, geography = 'boundaries', notes = [], hotspots }: Wish = {}): Record<string, unknown> {
  const starting = Array.from({ length: hours }, (_, hour) => Date.parse(start) / 1000 + hour * 3600);
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' });
  const parts = starting.map((unix) => Object.fromEntries(format.formatToParts(unix * 1000).map(({ type, value }) => [type, value])));
  const local = parts.map((part) => `${part['year']}-${part['month']}-${part['day']}T${part['hour']}:${part['minute']}:00`);
  const zone = parts.map((part) => part['timeZoneName'] ?? '');
  const night = local.map((text) => (Number(text.slice(11, 13)) >= 22 || Number(text.slice(11, 13)) < 7 ? 1 : 0));
  const everyHour = (value: number | null) => starting.map(() => value);
  const where = (wanted: number, value: number) => night.map((is) => (is === wanted ? value : null));
  const figure = (decimals: number, ...values: (number | null)[][]) => ({ title: 'a figure', unit: 'units', decimals, values });
  const square = (west: number) => ({ type: 'Polygon', coordinates: [[[west, 52], [west + 1, 52], [west + 1, 53], [west, 53], [west, 52]]] });
  const pools = gaps ?? [where(0, -2), where(0, 1), where(1, -1)];
  return {
    format: 'bluelamp-map/1',
    force: { id: 'made-up', name: 'A made-up force', time_zone: timeZone },
    run: { run_id: 'r1', made_at: start, data_until: dataUntil, method: 'slot_mean', staffing_method: 'mol', seed: 1, has_duties: true, geography, notes },
    hours: { starting, local, zone },
    areas: { id: ['a', 'b'], name: ['Ashley', 'Bramholt'], district: ['West', 'East'], kind: ['urban', 'rural'], geojson: { type: 'FeatureCollection', features: (geography === 'names' || geography === 'none' ? [] : [0, 1]).map((id) => ({ type: 'Feature', id, properties: {}, geometry: square(id) })) } },
    pools: { id: ['w', 'e', 'n'], name: ['West response', 'East response', 'Nights'], role: ['response', 'response', 'response'] },
    pool_of_area: { patterns: [[0, 1], [2, 2]], pattern_of_hour: night },
    figures: {
      force: { incidents_mean: figure(3, everyHour(5000)) },
      pool: {
        units_gap: figure(0, ...pools),
        units_required: figure(0, where(0, 5), where(0, 3), where(1, 4)),
        chance_late: figure(4, where(0, 3800), where(0, 500), where(1, 2100)),
        chance_late_p10: figure(4, where(0, 2200), where(0, 300), where(1, 1000)),
        chance_late_p90: figure(4, where(0, 5700), where(0, 900), where(1, 3000)),
        binds: { values: [night.map(() => 'demand'), night.map(() => 'demand'), night.map(() => 'minimum')] },
      },
      area: { incidents_mean: figure(3, everyHour(412), everyHour(88)), chance_late: figure(4, everyHour(1000), everyHour(2000)) },
    },
    recent: { starting: starting.map((unix) => unix - hours * 3600), area: { incidents: [everyHour(1), everyHour(null)] }, force: { incidents: [everyHour(1)] }, apart: {} },
    standards: [{ grade: '1', area_kind: 'all', target_minutes: 15, target_share: 0.9 }],
    links: {},
    hotspots: hotspots ? { address: '/api/hotspots.json?run=r1', twin: '/hotspots.csv?run=r1', page: '/hotspots?run=r1', folder: 'made-up', classes: hotspots } : null,
  };
}
