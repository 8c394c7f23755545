/** Images that somebody changed: whatever they say, nothing but a DiskError comes out. */
import { DiskError } from '@diskfile/bytes';
import { DEFAULT_LIMITS, FileSystem, MemoryStorage, runSync, type Volume } from '@diskfile/core';
import { ext4Driver } from '@diskfile/ext4';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SMALL_IMAGES, smallImage } from './support/small-images.ts';

/** Entries and runs of one mutant that are looked at, so that none takes long. */
const MAX_ENTRIES = 400;
const MAX_RUNS = 50;
const UNIT_BYTES = 64;

const buffer = new Uint8Array(65536);

function attempt(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    expect(error.message).not.toBe('');
    expect(error.detail).toMatch(/^(ext4|filesystem|bytes)\./);
  }
}

function readFile(fs: FileSystem, path: string): void {
  const handle = fs.openSync(path);
  handle.readSync(buffer, 0);
  handle.readSync(buffer, Math.max(0, handle.sizeBytes - buffer.length));
  const extents = handle.extentsSync();
  for (let runs = 0; runs < MAX_RUNS && extents.next().done !== true; runs++);
}

function readTree(volume: Volume): number {
  const fs = new FileSystem(volume, { synchronous: true });
  let seen = 0;
  for (const { path, stats } of fs.walkSync('/', { onError: () => {} })) {
    attempt(() => fs.xattrsSync(path, { followLinks: false }));
    if (stats.type === 'symlink') attempt(() => fs.readlinkSync(path));
    if (stats.type === 'file') attempt(() => readFile(fs, path));
    if (++seen === MAX_ENTRIES) break;
  }
  attempt(() => fs.statSync('/no/such/file'));
  JSON.stringify([volume.details(), volume.usage()]);
  return seen;
}

function mount(bytes: Uint8Array): Volume {
  const source = new MemoryStorage(bytes, 'mutant');
  return runSync(ext4Driver.mount({ source, limits: DEFAULT_LIMITS, strict: false }));
}

/** Where an image holds anything: changes elsewhere would hit free space. */
function usedUnits(bytes: Uint8Array): number[] {
  const units: number[] = [];
  for (let at = 0; at < bytes.length; at += UNIT_BYTES) {
    if (bytes.subarray(at, at + UNIT_BYTES).some((byte) => byte !== 0)) units.push(at);
  }
  return units;
}

const value = fc.oneof(
  fc.constantFrom(0, 1, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0xf30a, 12),
  fc.nat({ max: 0xffff_ffff }),
);
const change = fc.record({
  /** Which of the used units, or a place in the superblock. */
  place: fc.oneof(
    { weight: 6, arbitrary: fc.double({ min: 0, max: 0.999, noNaN: true }) },
    fc.constant(-1),
  ),
  within: fc.nat({ max: 1023 }),
  width: fc.constantFrom(1, 2, 4),
  value,
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

const changes = fc.array(change, { minLength: 1, maxLength: 12 });

/** Changed copies of a small image, looked at one after another. */
class Mutants {
  readonly #original: Uint8Array;
  readonly #units: readonly number[];
  mounted = 0;
  entries = 0;

  constructor(original: Uint8Array) {
    this.#original = original;
    this.#units = usedUnits(original);
  }

  #change(list: readonly Change[]): Uint8Array {
    const bytes = this.#original.slice();
    const units = this.#units;
    for (const { place, within, width, value: written } of list) {
      const at =
        place < 0
          ? 1024 + within
          : units[Math.floor(place * units.length)]! + (within % UNIT_BYTES);
      const aligned = at - (at % width);
      for (let n = 0; n < width; n++) bytes[aligned + n] = Math.floor(written / 256 ** n) % 256;
    }
    return bytes;
  }

  lookAt(list: readonly Change[]): void {
    attempt(() => {
      const volume = mount(this.#change(list));
      this.mounted += 1;
      this.entries += readTree(volume);
    });
  }
}

describe.each(SMALL_IMAGES)('image %s with bytes changed', (name) => {
  it('gives only what is there and DiskErrors', () => {
    const mutants = new Mutants(smallImage(name).bytes());
    fc.assert(
      fc.property(changes, (list) => mutants.lookAt(list)),
      { numRuns: 40 },
    );
  });

  it('is mounted after many of the changes, so that they exercise what lies behind', () => {
    const mutants = new Mutants(smallImage(name).bytes());
    for (const list of fc.sample(changes, { seed: 1, numRuns: 40 })) mutants.lookAt(list);
    expect(mutants.mounted).toBeGreaterThan(4);
    expect(mutants.entries).toBeGreaterThan(100);
  });
});
