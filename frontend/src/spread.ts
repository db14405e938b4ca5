/** Where labels stand: over as few names as can be, near the middle of what they name, and apart from each other. */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A label, the middle of what it names, the points round which it may stand, and whether a point belongs to what it names. */
export interface Label {
  width: number;
  height: number;
  middle: [number, number];
  anchors: [number, number][];
  isOwn: (x: number, y: number) => boolean;
}

const ROUNDS = 24;
const BETWEEN = 3;
/** Above or below a point by this much more than half the label's height, the name that stands on the point stays free. */
const CLEAR = 9;
/** What a name left in sight is worth: so many pixels away from the middle, or a third of the label over a neighbour. */
const PIXELS_A_NAME = 70;
const WORSE_THAN_ANY_NAME = 100;

/**
 * The middle of each label. Those with fewest points to choose from choose first; ties go to the nearest point.
 *
 * `names` are boxes that a label should rather not cover, `frame` is what can be seen.
 */
export function placeLabels(labels: Label[], names: Box[], frame: { width: number; height: number }): [number, number][] {
  const placed = new Map<number, Box>();
  const order = labels.map((_, index) => index).sort((a, b) => (labels[a] as Label).anchors.length - (labels[b] as Label).anchors.length || a - b);
  for (const index of order) {
    const { width, height, middle, anchors, isOwn } = labels[index] as Label;
    const clear = height / 2 + CLEAR;
    let best: Box = { x: middle[0], y: middle[1], width, height };
    let least = Infinity;
    for (const [x, anchorY] of anchors) {
      for (const y of [anchorY, anchorY + clear, anchorY - clear]) {
        const box = { x, y, width, height };
        const isOut = x - width / 2 < 0 || x + width / 2 > frame.width || y - height / 2 < 0 || y + height / 2 > frame.height;
        const onOthers = [...placed.values()].filter((other) => overlap(box, other)).length + Number(isOut);
        const onNeighbours = [-1, 0, 1].filter((side) => !isOwn(x + (side * width) / 3, y)).length;
        const onNames = names.filter((name) => overlap(box, name)).length;
        const cost = onNames + onNeighbours + Math.hypot(x - middle[0], y - middle[1]) / PIXELS_A_NAME + onOthers * WORSE_THAN_ANY_NAME;
        if (cost < least) [best, least] = [box, cost];
      }
    }
    placed.set(index, best);
  }
  const boxes = labels.map((_, index) => placed.get(index) as Box);
  return spreadApart(boxes).map(([x, y], index) => [(boxes[index] as Box).x + x, (boxes[index] as Box).y + y]);
}

/** Boxes in order, without those that would cover one before them: how a map chooses which names to write. */
export function withoutCollisions<B extends Box>(boxes: B[]): B[] {
  const kept: B[] = [];
  for (const box of boxes) if (!kept.some((other) => overlap(box, other))) kept.push(box);
  return kept;
}

export function overlap(a: Box, b: Box): boolean {
  return Math.abs(a.x - b.x) < (a.width + b.width) / 2 && Math.abs(a.y - b.y) < (a.height + b.height) / 2;
}

/** How far to move each box so that none covers another, or nearly so where there are too many of them. */
export function spreadApart(boxes: Box[]): [number, number][] {
  const at = boxes.map((box) => ({ ...box }));
  for (let round = 0; round < ROUNDS; round++) {
    let touched = false;
    for (let one = 0; one < boxes.length; one++) {
      for (let other = one + 1; other < boxes.length; other++) {
        const [a, b] = [at[one] as Box, at[other] as Box];
        const [boxA, boxB] = [boxes[one] as Box, boxes[other] as Box];
        const across = (boxA.width + boxB.width) / 2 + BETWEEN - Math.abs(a.x - b.x);
        const down = (boxA.height + boxB.height) / 2 + BETWEEN - Math.abs(a.y - b.y);
        if (across <= 0 || down <= 0) continue;
        touched = true;
        // Along the shorter way out; labels are wide, so that is mostly up and down.
        if (down <= across) {
          const push = (down / 2) * (a.y < b.y || (a.y === b.y && one < other) ? 1 : -1);
          a.y -= push;
          b.y += push;
        } else {
          const push = (across / 2) * (a.x < b.x ? 1 : -1);
          a.x -= push;
          b.x += push;
        }
      }
    }
    if (!touched) break;
  }
  return boxes.map(({ x, y }, index) => [(at[index] as Box).x - x, (at[index] as Box).y - y]);
}
