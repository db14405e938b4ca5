import { expect, test } from 'vitest';
import { readTargets, readUnits, writeTargets, writeUnits } from '../src/change-text';

const CELLS = [
  { pool: 'R-D1', from: '7', to: '15' },
  { pool: 'R-N1', from: '23', to: '7' },
];
const DAYS = ['', 'Fri,Sat', 'Fri'];

test('a line is the number of its cell, on its days', () => {
  expect(readUnits('R-N1@Fri,Sat 23-7=+2\nR-D1@Fri,Sat 7-15=-1', CELLS, DAYS)).toEqual({ more: [-1, 2], days: 'Fri,Sat', others: [] });
});

test('what no cell stands for stays in writing', () => {
  const read = readUnits('R-N1@23-7=+2; R-D1@Mon 7-15=+1; R-D1=-1; R-D1@8-9=+1; nonsense', CELLS, DAYS);
  expect(read.more).toEqual([0, 2]);
  expect(read.others).toEqual(['R-D1@Mon 7-15=+1', 'R-D1=-1', 'R-D1@8-9=+1', 'nonsense']);
  expect(writeUnits([[CELLS[0]!, 0], [CELLS[1]!, 2]], '', read.others).split('\n')).toEqual(['R-N1@23-7=+2', ...read.others]);
});

test('days of other lines than the first stay in writing', () => {
  expect(readUnits('R-N1@Fri 23-7=+2\nR-D1@7-15=+1', CELLS, DAYS)).toEqual({ more: [0, 2], days: 'Fri', others: ['R-D1@7-15=+1'] });
});

test('targets come back as they were written', () => {
  const names = ['1:urban', '2'];
  for (const text of ['1:urban=12', '2=/80%', '1:urban=12/95%; 2=30', '', '9=12']) {
    const { said, others } = readTargets(text, names);
    expect(writeTargets(said.flatMap((each) => each ?? []), others)).toBe(text);
  }
});
