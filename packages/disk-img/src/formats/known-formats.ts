/** Formats that there are. */
import { formatName } from '@diskfile/command';
import { ALL_FORMATS } from 'diskfile';

/** Drivers of block graphs, and formats that QEMU has: known, though no image of them can be made. */
const UNCREATABLE: ReadonlySet<string> = new Set([
  'blkdebug',
  'blkverify',
  'bochs',
  'cloop',
  'compress',
  'copy-on-read',
  'dmg',
  'null-aio',
  'null-co',
  'preallocate',
  'quorum',
  'throttle',
  'vvfat',
]);

/** Drivers of files and devices of the host, which can stand for the format of what is in them. */
export const PROTOCOL_FORMATS: ReadonlySet<string> = new Set(['file', 'host_device']);

/** Whether it is the name of a format whose images can be opened. */
export function isFormat(name: string): boolean {
  return ALL_FORMATS.some(({ id, aliases }) => id === name || aliases.includes(name));
}

/** Whether QEMU's name of a format, or another one that it may have, means something here. */
export function isKnownFormat(name: string): boolean {
  if (UNCREATABLE.has(name)) return true;
  return ALL_FORMATS.some(({ id, aliases }) => formatName(id) === name || aliases.includes(name));
}

/** All that images and graphs can be opened with, by QEMU's names where it has one, in the order of the alphabet. */
export const FORMAT_NAMES: readonly string[] = [
  ...new Set([...UNCREATABLE, ...PROTOCOL_FORMATS, ...ALL_FORMATS.map(({ id }) => formatName(id))]),
]
  .filter((name) => name !== 'vvfat')
  .toSorted();
