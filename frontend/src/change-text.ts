/** A change as it is written ("R-D1@Fri,Sat 22-6=+1", "1:urban=12/90%"), and as the parts of a form. */

export interface Cell {
  pool: string;
  from: string;
  to: string;
}

export interface Said {
  name: string;
  minutes: string;
  share: string;
}

const UNITS = /^([^@=]+)(?:@(?:([A-Za-z,]+)\s*)?(?:(\d+)-(\d+))?)?=([+-]\d+)$/;
const TARGET = /^([^=]+)=(\d+(?:\.\d+)?)?(?:\/(0?\.\d+|\d+%))?$/;

function parts(text: string): string[] {
  return text.split(/[;\n]/).map((each) => each.trim()).filter((each) => each !== '');
}

/**
 * The number of each cell, the days that hold for all of them, and the lines that no cell stands for.
 *
 * The first line that a cell stands for decides the days; lines of other days stay in writing.
 */
export function readUnits(text: string, cells: Cell[], knownDays: string[]): { more: number[]; days: string; others: string[] } {
  const more = cells.map(() => 0);
  const others: string[] = [];
  let days: string | null = null;
  for (const line of parts(text)) {
    const [, pool = '', on = '', from = '', to = '', number = ''] = UNITS.exec(line) ?? [];
    const at = cells.findIndex((cell) => cell.pool === pool && cell.from === from && cell.to === to);
    if (at < 0 || !knownDays.includes(on) || (days !== null && on !== days)) {
      others.push(line);
      continue;
    }
    days = on;
    more[at] = (more[at] ?? 0) + Number(number);
  }
  return { more, days: days ?? '', others };
}

export function writeUnits(cells: [Cell, number][], days: string, others: string[]): string {
  const lines = cells
    .filter(([, more]) => Number.isInteger(more) && more !== 0)
    .map(([{ pool, from, to }, more]) => `${pool}@${days === '' ? '' : `${days} `}${from}-${to}=${more > 0 ? '+' : ''}${more}`);
  return [...lines, ...others].join('\n');
}

export function readTargets(text: string, names: string[]): { said: (Said | null)[]; others: string[] } {
  const said: (Said | null)[] = names.map(() => null);
  const others: string[] = [];
  for (const piece of parts(text)) {
    const [, name = '', minutes = '', share = ''] = TARGET.exec(piece) ?? [];
    const at = names.indexOf(name);
    if (at < 0 || (share !== '' && !share.endsWith('%'))) others.push(piece);
    else said[at] = { name, minutes, share: share.replace('%', '') };
  }
  return { said, others };
}

export function writeTargets(said: Said[], others: string[]): string {
  const pieces = said
    .filter(({ minutes, share }) => minutes !== '' || share !== '')
    .map(({ name, minutes, share }) => `${name}=${minutes}${share === '' ? '' : `/${share}%`}`);
  return [...pieces, ...others].join('; ');
}
