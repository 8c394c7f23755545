/** LUKS disks that take few iterations to open, and where their headers keep what. */
import { findDriver, MemoryStorage, runSync } from '@diskfile/core';
import { ALL_FORMATS } from 'diskfile';
import { headerFields, plainSeed, type Region, type SeedImage } from '../seed-image.ts';

export const LUKS_PASSPHRASE = 'fuzz';

const SIZE_BYTES = 16 * 1024;
const SLOT_BYTES = 48;
const FIRST_SLOT = 208;

export function luksSeeds(): SeedImage[] {
  const xts = newDisk('luks-xts', { 'cipher-alg': 'aes-128' });
  const cbc = newDisk('luks-cbc', {
    'cipher-alg': 'aes-128',
    'cipher-mode': 'cbc',
    'ivgen-alg': 'essiv',
  });
  // Nearly every other value of a field is refused, so most mutants are of seeds without fields.
  const plain = [xts, cbc].map(({ name, bytes }) => ({
    ...plainSeed(name, bytes),
    regions: [dataOf(bytes)],
  }));
  return [{ ...plain[0]!, name: 'luks-header', fields: FIELDS }, ...plain];
}

/** The encrypted disk. */
function dataOf(bytes: Uint8Array): Region {
  const offset = bytes.length - SIZE_BYTES;
  return { name: 'data', offset, lengthBytes: SIZE_BYTES, widthBytes: 4, bigEndian: true };
}

function newDisk(name: string, options: Readonly<Record<string, string>>): MemoryStorage {
  const storage = new MemoryStorage(new Uint8Array(0), name);
  runSync(
    findDriver(ALL_FORMATS, 'luks')!.create!({
      storage,
      sizeBytes: SIZE_BYTES,
      options: { ...options, 'iter-time': 1 },
      backing: undefined,
      passphrase: new TextEncoder().encode(LUKS_PASSPHRASE),
      *createNamed() {
        throw new Error('assertion failed: a LUKS disk is one file');
      },
    }),
  );
  return storage;
}

const FIELDS = [
  ...headerFields(0, true, [
    ['version', 6, 2],
    ['payload-offset', 104, 4],
    ['key-bytes', 108, 4],
    ['mk-digest-iterations', 164, 4],
  ]),
  ...Array.from({ length: 8 }, (_, slot) =>
    headerFields(FIRST_SLOT + slot * SLOT_BYTES, true, [
      [`slot ${slot} active`, 0, 4],
      [`slot ${slot} iterations`, 4, 4],
      [`slot ${slot} key-material-offset`, 40, 4],
      [`slot ${slot} stripes`, 44, 4],
    ]),
  ).flat(),
];
