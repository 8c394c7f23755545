import { toHex } from '@diskfile/bytes';
import { describe, expect, it } from 'vitest';
import { aclForUsers } from '../src/attributes/acl.ts';
import { report } from './support/builders.ts';

const convert = (...bytes: number[]) => aclForUsers(Uint8Array.from(bytes), 12, report());

describe('access control lists', () => {
  it('get an id in every entry', () => {
    const owner = [1, 0, 6, 0];
    const user = [2, 0, 4, 0, 0xe8, 3, 0, 0];
    const other = [0x20, 0, 0, 0];
    expect(toHex(convert(1, 0, 0, 0, ...owner, ...user, ...other))).toBe(
      '0200000001000600ffffffff02000400e803000020000000ffffffff',
    );
  });

  it('may be empty', () => {
    expect([...convert(1, 0, 0, 0)]).toEqual([2, 0, 0, 0]);
  });

  it.each([
    ['nothing', []],
    ['another version', [2, 0, 0, 0]],
    ['an unknown tag', [1, 0, 0, 0, 3, 0, 0, 0]],
    ['half an entry', [1, 0, 0, 0, 1, 0]],
    ['an entry without its id', [1, 0, 0, 0, 8, 0, 7, 0]],
  ])('that hold %s are refused', (_, bytes) => {
    expect(() => convert(...bytes)).toThrow(expect.objectContaining({ detail: 'ext4.acl' }));
  });
});
