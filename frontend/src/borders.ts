/**
 * The borders between pools, drawn from the areas' own outlines.
 *
 * Areas that share a border usually share its vertices, so a segment met twice lies between two known areas. Borders
 * digitised twice do not match; for those segments we ask which area lies just outside.
 */

import type { Position } from 'geojson';
import type { AreaShapes } from './decode';

export interface BorderSegment {
  from: Position;
  to: Position;
  /** The areas on both sides; null is outside the force. */
  sides: [number, number | null];
}

export interface Rings {
  area: number;
  polygons: Position[][][];
  box: [number, number, number, number];
}

/** The rings of each area with the box round them. */
export function ringsOf(shapes: AreaShapes): Rings[] {
  return shapes.features.map(({ geometry }, area) => {
    const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
    return { area, polygons, box: boxOf(polygons) };
  });
}

export function findBorders(shapes: AreaShapes): BorderSegment[] {
  const areas = ringsOf(shapes);
  const segments = new Map<string, BorderSegment>();
  for (const { area, polygons } of areas) {
    for (const ring of polygons.flat()) {
      for (let index = 1; index < ring.length; index++) {
        const [from, to] = [ring[index - 1] as Position, ring[index] as Position];
        const key = segmentKey(from, to);
        const known = segments.get(key);
        if (known) known.sides[1] = area;
        else segments.set(key, { from, to, sides: [area, null] });
      }
    }
  }
  for (const segment of segments.values()) {
    if (segment.sides[1] === null) segment.sides[1] = areaBeyond(segment, areas);
  }
  return [...segments.values()].filter(({ sides }) => sides[0] !== sides[1]);
}

/** The segments that part two pools, or a pool from the outside, under one pattern of cover. */
export function bordersOfPattern(borders: BorderSegment[], pattern: (number | null)[]): Position[][] {
  const poolOf = (area: number | null) => (area === null ? 'outside' : (pattern[area] ?? 'none'));
  return joinSegments(borders.filter(({ sides: [one, other] }) => poolOf(one) !== poolOf(other)).map(({ from, to }) => [from, to]));
}

/** Joins segments end to end, so that a border is drawn as one line with proper corners. */
function joinSegments(segments: [Position, Position][]): Position[][] {
  const ends = new Map<string, { segment: number; at: Position; beyond: Position }[]>();
  segments.forEach(([from, to], segment) => {
    for (const [at, beyond] of [[from, to], [to, from]] as const) {
      const key = pointKey(at);
      const list = ends.get(key) ?? [];
      list.push({ segment, at, beyond });
      ends.set(key, list);
    }
  });
  const used = new Uint8Array(segments.length);
  const lines: Position[][] = [];
  const follow = (line: Position[]) => {
    for (;;) {
      const next = ends.get(pointKey(line.at(-1) as Position))?.find(({ segment }) => !used[segment]);
      if (!next) return;
      used[next.segment] = 1;
      line.push(next.beyond);
    }
  };
  segments.forEach(([from, to], segment) => {
    if (used[segment]) return;
    used[segment] = 1;
    const line = [from, to];
    follow(line);
    line.reverse();
    follow(line);
    lines.push(line);
  });
  return lines;
}

function areaBeyond({ from, to, sides }: BorderSegment, areas: Rings[]): number | null {
  const [dx, dy] = [(to[0] as number) - (from[0] as number), (to[1] as number) - (from[1] as number)];
  const length = Math.hypot(dx, dy);
  if (length === 0) return sides[0];
  // About a hundred metres: wider than the slivers between two digitised versions of one border.
  const step = 0.0009 / length;
  const middle: Position = [((from[0] as number) + (to[0] as number)) / 2, ((from[1] as number) + (to[1] as number)) / 2];
  for (const side of [1, -1]) {
    const x = (middle[0] as number) - dy * step * side;
    const y = (middle[1] as number) + dx * step * side;
    const found = areas.find(({ area, box, polygons }) => area !== sides[0] && x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3] && contains(polygons, x, y));
    if (found) return found.area;
  }
  return null;
}

/** Whether a point lies inside: rings crossed an odd number of times, so that holes are outside. */
export function contains(polygons: Position[][][], x: number, y: number): boolean {
  return polygons.some((rings) => {
    let inside = false;
    for (const ring of rings) {
      for (let index = 1; index < ring.length; index++) {
        const [x1, y1] = ring[index - 1] as [number, number];
        const [x2, y2] = ring[index] as [number, number];
        if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
      }
    }
    return inside;
  });
}

/** A point inside the largest part of a shape, where its label can stand. */
export function labelPoint(shape: AreaShapes['features'][number]): [number, number] {
  const polygons = shape.geometry.type === 'Polygon' ? [shape.geometry.coordinates] : shape.geometry.coordinates;
  let largest: Position[][] = polygons[0] ?? [];
  let most = -1;
  for (const polygon of polygons) {
    const size = Math.abs(signedArea(polygon[0] ?? []));
    if (size > most) [largest, most] = [polygon, size];
  }
  const ring = largest[0] ?? [];
  const twice = signedArea(ring);
  let [x, y] = [0, 0];
  for (let index = 1; index < ring.length; index++) {
    const [x1, y1] = ring[index - 1] as [number, number];
    const [x2, y2] = ring[index] as [number, number];
    const cross = x1 * y2 - x2 * y1;
    x += (x1 + x2) * cross;
    y += (y1 + y2) * cross;
  }
  const centre: [number, number] = twice === 0 ? [ring[0]?.[0] ?? 0, ring[0]?.[1] ?? 0] : [x / (3 * twice), y / (3 * twice)];
  if (contains([largest], centre[0], centre[1])) return centre;
  // A crescent's centre lies outside it: take the middle of the widest stretch at that height.
  const crossings: number[] = [];
  for (const part of largest) {
    for (let index = 1; index < part.length; index++) {
      const [x1, y1] = part[index - 1] as [number, number];
      const [x2, y2] = part[index] as [number, number];
      if (y1 > centre[1] !== y2 > centre[1]) crossings.push(((x2 - x1) * (centre[1] - y1)) / (y2 - y1) + x1);
    }
  }
  crossings.sort((a, b) => a - b);
  let best: [number, number] = centre;
  let width = -1;
  for (let index = 0; index + 1 < crossings.length; index += 2) {
    const [left, right] = [crossings[index] as number, crossings[index + 1] as number];
    if (right - left > width) [best, width] = [[(left + right) / 2, centre[1]], right - left];
  }
  return best;
}

/** Twice the area of a ring, positive if it runs anticlockwise. */
function signedArea(ring: Position[]): number {
  let sum = 0;
  for (let index = 1; index < ring.length; index++) {
    const [x1, y1] = ring[index - 1] as [number, number];
    const [x2, y2] = ring[index] as [number, number];
    sum += x1 * y2 - x2 * y1;
  }
  return sum;
}

export function boxOf(polygons: Position[][][]): [number, number, number, number] {
  const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of polygons.flat(2) as [number, number][]) {
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  return box;
}

function pointKey([x, y]: Position): string {
  return `${Math.round((x as number) * 1e6)},${Math.round((y as number) * 1e6)}`;
}

function segmentKey(from: Position, to: Position): string {
  const [a, b] = [pointKey(from), pointKey(to)];
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}
