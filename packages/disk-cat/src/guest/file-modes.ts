/** File types and permissions as `ls` writes them. */
import { testBit } from '@diskfile/bytes';
import type { FileStats, FileType } from 'diskfile';

/** First letter of `ls -l`; `-` stands for regular files and `u` for what is none of these. */
export const TYPE_LETTERS: Readonly<Record<FileType, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  'character-device': 'c',
  'block-device': 'b',
  fifo: 'p',
  socket: 's',
  unknown: 'u',
};

/** Four octal digits: `0644`, `4755`. */
export function octalMode({ permissions }: FileStats): string {
  return permissions.toString(8).padStart(4, '0');
}

/** Ten letters: `-rwsr-xr-x`. */
export function symbolicMode({ type, permissions }: FileStats): string {
  const has = (bit: number): boolean => testBit(permissions, bit);
  const triple = (lowBit: number, special: boolean, letter: string): string => {
    const execute = has(lowBit);
    const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-';
    return `${has(lowBit + 2) ? 'r' : '-'}${has(lowBit + 1) ? 'w' : '-'}${last}`;
  };
  const user = triple(6, has(11), 's');
  const group = triple(3, has(10), 's');
  return TYPE_LETTERS[type] + user + group + triple(0, has(9), 't');
}
