import { writeU32be } from '@diskfile/bytes';
import { DEFAULT_LIMITS, MappedReader, runSync } from '@diskfile/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlockMap } from '../src/blocks/block-map.ts';
import { FileMap } from '../src/blocks/file-map.ts';
import { JournalLog } from '../src/journal/log.ts';
import type { JournalOverlay } from '../src/journal/overlay.ts';
import { replay } from '../src/journal/replay.ts';
import { scanLog } from '../src/journal/scan.ts';
import { isLater, nextSequence } from '../src/journal/structs.ts';
import { BLOCK_BYTES, blockOf, blockReader, report } from './support/builders.ts';
import { LogBuilder, type LogChecksum, type Transaction } from './support/log-builder.ts';

/** Blocks that transactions write, then the log. */
const DATA_BLOCKS = 40;
const LOG_BLOCKS = 120;
const CHECKSUMS: readonly LogChecksum[] = ['none', 'v1', 'v2', 'v3'];

/** A block full of a byte; some begin with the journal's magic number and have to be escaped. */
const content = fc.tuple(fc.integer({ min: 1, max: 255 }), fc.boolean()).map(([fill, magic]) => {
  const bytes = new Uint8Array(BLOCK_BYTES).fill(fill);
  if (magic) writeU32be(bytes, 0, 0xc03b3998);
  return bytes;
});
const block = fc.integer({ min: 2, max: DATA_BLOCKS - 1 });
const transaction: fc.Arbitrary<Transaction> = fc.record({
  writes: fc.uniqueArray(fc.tuple(block, content), { selector: ([n]) => n, maxLength: 8 }),
  revokes: fc.uniqueArray(block, { maxLength: 4 }),
});
const shape = fc.record({
  checksum: fc.constantFrom(...CHECKSUMS),
  is64: fc.boolean(),
  withUuids: fc.boolean(),
  logBlocks: fc.constant(LOG_BLOCKS),
  startBlock: fc.integer({ min: 1, max: LOG_BLOCKS - 1 }),
  sequence: fc.constantFrom(1, 77, 2 ** 31 - 1, 2 ** 32 - 2),
});

function newDisk(): Uint8Array {
  const disk = new Uint8Array((DATA_BLOCKS + LOG_BLOCKS) * BLOCK_BYTES);
  for (let n = 0; n < DATA_BLOCKS; n++) blockOf(disk, n).fill(0x30 + n);
  return disk;
}

/** What mounting makes of the blocks: the newest write that no later transaction revoked. */
function expectedBlocks(disk: Uint8Array, committed: readonly Transaction[]): Uint8Array[] {
  const blocks: Uint8Array[] = Array.from({ length: DATA_BLOCKS }, (_, n) =>
    blockOf(disk, n).slice(),
  );
  committed.forEach(({ writes }, index) => {
    for (const [number, bytes] of writes) {
      const revoked = committed.slice(index).some(({ revokes }) => revokes.includes(number));
      if (!revoked) blocks[number] = bytes;
    }
  });
  return blocks;
}

/** Numbers of the blocks that are not equal. */
function differing(seen: readonly Uint8Array[], expected: readonly Uint8Array[]): number[] {
  return [...expected.keys()].filter((n) => Buffer.compare(seen[n]!, expected[n]!) !== 0);
}

function replayLog(builder: LogBuilder, disk: Uint8Array) {
  const { journal } = builder;
  const warnings = report();
  const log = new JournalLog(builder.map, blockReader(disk));
  const scanned = runSync(scanLog(journal, log, 10_000, warnings));
  const { overlay } = runSync(replay(scanned, journal, log, DATA_BLOCKS, warnings));
  return { scanned, overlay, warnings: warnings.warnings };
}

function readThrough(disk: Uint8Array, overlay: JournalOverlay): Uint8Array[] {
  const reader = blockReader(disk, overlay);
  return Array.from({ length: DATA_BLOCKS }, (_, n) => runSync(reader.read(n)).slice());
}

function readAsFile(disk: Uint8Array, overlay: JournalOverlay): Uint8Array {
  const identity: BlockMap = {
    blockLimit: DATA_BLOCKS,
    find(fileBlock, maxBlocks, run) {
      run.setMapped('data', fileBlock, Math.min(maxBlocks, DATA_BLOCKS - fileBlock));
      return true;
    },
    *load() {},
  };
  const map = new FileMap(identity, DATA_BLOCKS * BLOCK_BYTES, blockReader(disk, overlay));
  const bytes = new Uint8Array(map.sizeBytes);
  new MappedReader([map], DEFAULT_LIMITS).readSync(bytes, 0);
  return bytes;
}

describe('journal replay', () => {
  it('equals a model, for every layout, around the circle and across 2^32', () => {
    fc.assert(
      fc.property(
        shape,
        fc.array(transaction, { maxLength: 7 }),
        fc.nat({ max: 7 }),
        (layout, transactions, cut) => {
          const disk = newDisk();
          const before = disk.slice();
          const builder = new LogBuilder(disk, DATA_BLOCKS, layout);
          const commits = transactions.map((written) => builder.append(written));
          // From one transaction on, the commit block never reached the disk.
          commits[cut]?.fill(0);
          const committed = transactions.slice(0, cut);
          const { scanned, overlay, warnings } = replayLog(builder, disk);
          expect(scanned.transactionCount).toBe(committed.length);
          expect(warnings).toEqual([]);
          const expected = expectedBlocks(before, committed);
          expect(differing(readThrough(disk, overlay), expected)).toEqual([]);
          const whole = readAsFile(disk, overlay);
          const asFile = expected.map((_, n) => blockOf(whole, n));
          expect(differing(asFile, expected)).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });

  const layout = {
    is64: true,
    withUuids: false,
    logBlocks: LOG_BLOCKS,
    startBlock: 5,
    sequence: 9,
  };
  const one = (n: number, fill: number): Transaction => ({
    writes: [[n, new Uint8Array(BLOCK_BYTES).fill(fill)]],
    revokes: [],
  });

  it.each(['v1', 'v2', 'v3'] as const)(
    'stops at a commit block with a wrong checksum, %s',
    (checksum) => {
      const disk = newDisk();
      const builder = new LogBuilder(disk, DATA_BLOCKS, { ...layout, checksum });
      builder.append(one(3, 0xaa));
      const commit = builder.append(one(4, 0xbb));
      builder.append(one(5, 0xcc));
      commit[0x10]! ^= 1;
      const { scanned, overlay } = replayLog(builder, disk);
      expect(scanned).toMatchObject({ transactionCount: 1, endSequence: 10 });
      expect(scanned.stoppedBecause).toContain('transaction 10');
      expect(overlay.size).toBe(1);
    },
  );

  it('stops at a logged block that changed, with checksums over the transaction', () => {
    const disk = newDisk();
    const builder = new LogBuilder(disk, DATA_BLOCKS, { ...layout, checksum: 'v1' });
    builder.append(one(3, 0xaa));
    blockOf(disk, DATA_BLOCKS + 6)[100]! ^= 1;
    expect(replayLog(builder, disk).scanned.transactionCount).toBe(0);
  });

  it.each(['v2', 'v3'] as const)('leaves out a logged block that changed, %s', (checksum) => {
    const disk = newDisk();
    const builder = new LogBuilder(disk, DATA_BLOCKS, { ...layout, checksum });
    builder.append(one(3, 0xaa));
    builder.append(one(3, 0xbb));
    blockOf(disk, DATA_BLOCKS + 9)[100]! ^= 1;
    const { overlay, warnings } = replayLog(builder, disk);
    expect(warnings.map(({ detail }) => detail)).toEqual(['ext4.journal-data-checksum']);
    expect(readThrough(disk, overlay)[3]![0]).toBe(0xaa);
  });

  it('passes over blocks that the filesystem does not have', () => {
    const disk = newDisk();
    const builder = new LogBuilder(disk, DATA_BLOCKS, { ...layout, checksum: 'v3' });
    builder.append(one(2 ** 33 + 3, 0xaa));
    const { overlay, warnings } = replayLog(builder, disk);
    expect(overlay.size).toBe(0);
    expect(warnings.map(({ detail }) => detail)).toEqual(['ext4.journal-block']);
  });

  it('ends after one turn when a log goes round in circles', () => {
    const disk = newDisk();
    const builder = new LogBuilder(disk, DATA_BLOCKS, {
      ...layout,
      checksum: 'none',
      logBlocks: 4,
    });
    // Every block of the circle is a revoke block of the same transaction.
    for (let n = 1; n < 4; n++) {
      writeU32be(blockOf(disk, DATA_BLOCKS + n), 0, 0xc03b3998);
      writeU32be(blockOf(disk, DATA_BLOCKS + n), 4, 5);
      writeU32be(blockOf(disk, DATA_BLOCKS + n), 8, 9);
      writeU32be(blockOf(disk, DATA_BLOCKS + n), 12, 16);
    }
    const journal = { ...builder.journal, startBlock: 1 };
    const log = new JournalLog(builder.map, blockReader(disk));
    expect(runSync(scanLog(journal, log, 100, report())).transactionCount).toBe(0);
  });

  it('refuses more blocks than it may keep in mind', () => {
    const disk = newDisk();
    const builder = new LogBuilder(disk, DATA_BLOCKS, { ...layout, checksum: 'none' });
    for (let n = 2; n < 12; n++) builder.append(one(n, n));
    const log = new JournalLog(builder.map, blockReader(disk));
    expect(() => runSync(scanLog(builder.journal, log, 5, report()))).toThrow(
      expect.objectContaining({ code: 'limit', detail: 'ext4.journal-too-long' }),
    );
  });

  it('compares transaction numbers around the wrap', () => {
    expect(isLater(5, 4)).toBe(true);
    expect(isLater(4, 4)).toBe(false);
    expect(isLater(1, 2 ** 32 - 1)).toBe(true);
    expect(isLater(2 ** 32 - 1, 1)).toBe(false);
    expect(nextSequence(2 ** 32 - 1)).toBe(0);
  });
});
