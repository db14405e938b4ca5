import { expect, test } from 'vitest';
import { bordersOfPattern, findBorders, labelPoint, contains } from '../src/borders';
import { chartSeries, spanOf } from '../src/chart';
import type { AreaShapes } from '../src/decode';
import { Calendar } from '../src/periods';
import { overlap, placeLabels, spreadApart, withoutCollisions, type Label } from '../src/spread';
import { makeUp } from './made-up';

const shape = (...rings: [number, number][][]): AreaShapes['features'][number] => ({ type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: rings } });
const square = (west: number, south = 0, size = 1) => shape([[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]);
const collection = (...features: AreaShapes['features']): AreaShapes => ({ type: 'FeatureCollection', features });
const length = (lines: number[][][]) => lines.reduce((sum, line) => sum + line.slice(1).reduce((part, [x, y], index) => part + Math.hypot((x ?? 0) - (line[index]?.[0] ?? 0), (y ?? 0) - (line[index]?.[1] ?? 0)), 0), 0);

test('areas of one pool have a border round them and none between', () => {
  const borders = findBorders(collection(square(0), square(1)));
  expect(length(bordersOfPattern(borders, [7, 7]))).toBe(6);
  expect(length(bordersOfPattern(borders, [7, 8]))).toBe(7);
});

test('a border digitised twice with other vertices is still inside', () => {
  const west = square(0);
  const east = shape([[1, 0], [2, 0], [2, 1], [1, 1], [1.00001, 0.4], [1, 0]]);
  expect(length(bordersOfPattern(findBorders(collection(west, east)), [7, 7]))).toBeCloseTo(6, 3);
});

test('a border is joined into one line', () => {
  expect(bordersOfPattern(findBorders(collection(square(0), square(1))), [7, 7])).toHaveLength(1);
});

test('a label stands inside its area, whatever its shape', () => {
  expect(labelPoint(square(0))).toEqual([0.5, 0.5]);
  const crescent = shape([[0, 0], [4, 0], [4, 4], [0, 4], [0, 3], [3, 3], [3, 1], [0, 1], [0, 0]]);
  const [x, y] = labelPoint(crescent);
  expect(contains([crescent.geometry.coordinates as number[][][]], x, y)).toBe(true);
});

test('a hole is outside', () => {
  const ring = square(0, 0, 4).geometry.coordinates as number[][][];
  const hole = square(1, 1, 2).geometry.coordinates as number[][][];
  expect(contains([[...ring, ...hole]], 2, 2)).toBe(false);
  expect(contains([[...ring, ...hole]], 0.5, 0.5)).toBe(true);
});

test('labels that would cover each other are moved apart, others stay', () => {
  const boxes = [{ x: 0, y: 0 }, { x: 10, y: 4 }, { x: 500, y: 0 }].map((at) => ({ ...at, width: 80, height: 24 }));
  const moved = spreadApart(boxes).map(([x, y], index) => ({ x: (boxes[index]?.x ?? 0) + x, y: (boxes[index]?.y ?? 0) + y }));
  expect(Math.abs((moved[0]?.y ?? 0) - (moved[1]?.y ?? 0))).toBeGreaterThanOrEqual(24);
  expect(moved[2]).toEqual({ x: 500, y: 0 });
});

const FRAME = { width: 600, height: 400 };
const label = (anchors: [number, number][], parts: Partial<Label> = {}): Label => ({ width: 100, height: 24, middle: anchors[0] as [number, number], anchors, isOwn: () => true, ...parts });
const name = (x: number, y: number) => ({ x, y, width: 60, height: 14 });

test('a label stands beside the name of its area and not on it', () => {
  const names = [name(300, 200)];
  const [[x, y]] = placeLabels([label([[300, 200]])], names, FRAME) as [[number, number]];
  expect(x).toBe(300);
  expect(overlap({ x, y, width: 100, height: 24 }, names[0] as (typeof names)[number])).toBe(false);
});

test('a label goes to where it covers fewest names, but not far for the sake of one', () => {
  const crowd = [175, 190, 200, 210, 225].map((y) => name(300, y));
  expect(placeLabels([label([[300, 200], [420, 200]])], crowd, FRAME)).toEqual([[420, 200]]);
  expect(placeLabels([label([[300, 200], [550, 200]])], [name(300, 200), name(300, 221), name(300, 179)], FRAME)[0]?.[0]).toBe(300);
});

test('a label keeps to what it names', () => {
  const west = label([[240, 200], [270, 200]], { middle: [270, 200], isOwn: (x) => x < 300 });
  expect(placeLabels([west], [], FRAME)).toEqual([[240, 200]]);
});

test('two labels never stand on each other, and the one with less choice goes first', () => {
  const placed = placeLabels([label([[300, 200], [300, 260]]), label([[300, 200]])], [], FRAME);
  expect(placed).toEqual([[300, 260], [300, 200]].map(([x], at) => [x, placed[at]?.[1]]));
  expect(placed[1]).toEqual([300, 200]);
  expect(Math.abs((placed[0]?.[1] ?? 0) - 200)).toBeGreaterThanOrEqual(24);
});

test('a label stays inside the frame', () => {
  expect(placeLabels([label([[20, 200], [200, 200]], { middle: [20, 200] })], [], FRAME)).toEqual([[200, 200]]);
});

test('of names that collide the first is written', () => {
  expect(withoutCollisions([name(0, 0), name(10, 4), name(100, 0)]).map(({ x }) => x)).toEqual([0, 100]);
});

test('the chart of an area steps with the pool that covers it at each hour', () => {
  const map = makeUp();
  const { cover } = chartSeries(map, new Calendar(map.hours), { scope: 'area', index: 1 });
  expect(cover.slice(0, 5).map(({ required }) => required)).toEqual([3, 3, 3, 3, 4]);
  expect(cover).toHaveLength(49);
});

test('the force’s shortage adds up what is missing and ignores what is spare', () => {
  const map = makeUp();
  const { cover } = chartSeries(map, new Calendar(map.hours), { scope: 'force', index: 0 });
  expect(cover[0]).toMatchObject({ shortFrom: 0, shortTo: 2 });
});

test('a pool’s recent counts are unknown where one of its areas is masked', () => {
  const map = makeUp();
  const calendar = new Calendar(map.hours);
  expect(new Set(chartSeries(map, calendar, { scope: 'pool', index: 2 }).seen.map(({ incidents }) => incidents))).toEqual(new Set([null]));
  expect(new Set(chartSeries(map, calendar, { scope: 'pool', index: 0 }).seen.map(({ incidents }) => incidents))).toEqual(new Set([1, null]));
});

test('a span begins and ends at local midnights and names its days', () => {
  const map = makeUp({ hours: 96 });
  const calendar = new Calendar(map.hours);
  const span = spanOf(map, calendar, 30, 'days');
  expect([span.from, span.to]).toEqual([6, 78]);
  expect(span.ticks).toEqual([
    { hour: 6, text: 'Sat 28 Nov' },
    { hour: 30, text: 'Sun 29 Nov' },
    { hour: 54, text: 'Mon 30 Nov' },
  ]);
});
