/** Labels that would cover each other, moved apart as little as needed. */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

const ROUNDS = 24;
const BETWEEN = 3;

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
