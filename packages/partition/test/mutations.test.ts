import { DiskError } from '@diskfile/bytes';
import {
  buildBootRecord,
  buildGptDisk,
  repairGptChecksums,
  writeLogicalChain,
} from '@diskfile/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionTable } from '../src/index.ts';
import { readTable } from './support/read-table.ts';

const SIZE = 256 * 1024;

function mbrSeed(): Uint8Array {
  const disk = new Uint8Array(SIZE);
  const entry = (type: number, startLba: number, sizeLba: number) => ({ type, startLba, sizeLba });
  disk.set(buildBootRecord([entry(0x83, 1, 9), entry(0x05, 10, 400)], 0xabcd));
  const logicals = Array.from({ length: 8 }, (_, index) => ({
    ...entry(0x83, 11 + 20 * index, 18),
    recordLba: 10 + 20 * index,
  }));
  writeLogicalChain(disk, 10, logicals);
  return disk;
}

function gptSeed(sectorBytes: number): Uint8Array {
  return buildGptDisk({
    sizeBytes: SIZE,
    sectorBytes,
    entryCount: 16,
    partitions: [1, 2, 3].map((number) => ({
      number,
      type: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
      uuid: `00000000-0000-0000-0000-00000000000${number}`,
      firstLba: 10 + 5 * number,
      lastLba: 13 + 5 * number,
    })),
  });
}

const interesting = fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 0x05, 0x0f, 0x85, 0xee);
const patch = fc.record({
  offset: fc.oneof(
    fc.nat(511),
    fc.nat(4096 + 2048),
    fc.nat(SIZE - 1),
    fc.integer({ min: 446, max: 512 + 92 }),
  ),
  bytes: fc.array(fc.oneof(interesting, fc.nat(255)), { minLength: 1, maxLength: 8 }),
});

function mutate(seed: Uint8Array, patches: { offset: number; bytes: number[] }[]): Uint8Array {
  const disk = seed.slice();
  for (const { offset, bytes } of patches) {
    disk.set(bytes.slice(0, disk.length - offset), offset);
  }
  return disk;
}

function expectSound(table: PartitionTable | undefined, sizeBytes: number): void {
  const numbers = new Set<number>();
  for (const { number, startBytes, lengthBytes } of table?.partitions ?? []) {
    expect(Number.isSafeInteger(startBytes) && startBytes >= 0).toBe(true);
    expect(lengthBytes).toBeGreaterThan(0);
    expect(startBytes + lengthBytes).toBeLessThanOrEqual(sizeBytes);
    expect(numbers.has(number)).toBe(false);
    numbers.add(number);
  }
}

/** A table, or none, or a refusal; anything else thrown fails the test. */
function readOrRefuse(disk: Uint8Array): PartitionTable | undefined {
  try {
    return readTable(disk);
  } catch (error) {
    if (error instanceof DiskError) return undefined;
    throw error;
  }
}

describe('mutated tables', () => {
  it.each([
    ['MBR', mbrSeed(), 0],
    ['GPT, 512', gptSeed(512), 512],
    ['GPT, 4096', gptSeed(4096), 4096],
  ])(
    '%s: every partition lies within the disk, and only DiskErrors are thrown',
    (_, seed, sector) => {
      expect(readTable(seed)?.partitions.length).toBeGreaterThan(2);
      fc.assert(
        fc.property(
          fc.array(patch, { minLength: 1, maxLength: 6 }),
          fc.boolean(),
          fc.oneof(fc.constant(SIZE), fc.nat(SIZE)),
          (patches, repair, cutAt) => {
            const mutant = mutate(seed, patches);
            if (repair && sector > 0) repairGptChecksums(mutant, sector, sector);
            const disk = mutant.slice(0, cutAt);
            expectSound(readOrRefuse(disk), disk.length);
          },
        ),
        { numRuns: 1500 },
      );
    },
  );

  it('random chains of boot records end', () => {
    const link = fc.record({
      type: fc.constantFrom(0x05, 0x83),
      startLba: fc.nat(40),
      sizeLba: fc.nat(40),
    });
    fc.assert(
      fc.property(
        fc.array(fc.array(link, { maxLength: 4 }), { minLength: 1, maxLength: 40 }),
        (records) => {
          const disk = new Uint8Array(41 * 512);
          for (const [lba, entries] of records.entries())
            disk.set(buildBootRecord(entries), lba * 512);
          expectSound(readTable(disk), disk.length);
        },
      ),
    );
  });
});
