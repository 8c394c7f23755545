import { describe, expect, it } from 'vitest';
import { piecesOf } from '../../src/graph/blkdebug/limited-requests.ts';

describe('pieces of a request', () => {
  it.each([
    [0, 10, { unit: 1, most: Infinity }, ['0+10']],
    [0, 10, { unit: 1, most: 4 }, ['0+4', '4+4', '8+2']],
    [3, 10, { unit: 8, most: Infinity }, ['3+5', '8+5']],
    [3, 2, { unit: 8, most: 8 }, ['3+2']],
    [8, 26, { unit: 8, most: 16 }, ['8+16', '24+8', '32+2']],
    [7, 30, { unit: 8, most: Infinity }, ['7+1', '8+24', '32+5']],
  ] as const)('%i+%i within %o', (offset, lengthBytes, limits, expected) => {
    const pieces = [...piecesOf({ offset, lengthBytes }, limits)];
    expect(pieces.map((piece) => `${piece.offset}+${piece.lengthBytes}`)).toEqual(expected);
  });
});
