/** Whatever moment the power goes at, what was flushed to a VHDX disk is there afterwards. */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import {
  createDiskFileSync,
  type DiskFile,
  MemoryStorage,
  openDiskFileSync,
} from '../../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PATH = join(tmpdir(), `diskfile-vhdx-crash-${process.pid}.vhdx`);

let created: Uint8Array;
beforeAll(() => {
  createDiskFileSync(PATH, {
    format: 'vhdx',
    sizeBytes: 3000 * MIB,
    options: { block_size: MIB },
  });
  created = readFileSync(PATH);
});
afterAll(() => rmSync(PATH, { force: true }));

type Step =
  | { readonly kind: 'write'; readonly bytes: Uint8Array; readonly offset: number }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }
  | { readonly kind: 'flush' };

/** Remembers what reaches it, in order. */
class RecordingStorage extends MemoryStorage {
  readonly steps: Step[] = [];

  override writeSync(src: Uint8Array, offset: number): void {
    this.steps.push({ kind: 'write', bytes: src.slice(), offset });
    super.writeSync(src, offset);
  }

  override truncateSync(sizeBytes: number): void {
    this.steps.push({ kind: 'truncate', sizeBytes });
    super.truncateSync(sizeBytes);
  }

  override flushSync(): void {
    this.steps.push({ kind: 'flush' });
  }
}

/** What the test wrote, and how many steps had been taken when its flush returned. */
interface Promised {
  readonly guestOffset: number;
  readonly value: number;
  readonly stepCount: number;
}

function run(): { steps: readonly Step[]; promised: readonly Promised[] } {
  const storage = new RecordingStorage(created.slice());
  const disk = openDiskFileSync(storage, { readOnly: false, format: 'vhdx' });
  const promised: Promised[] = [];
  // Blocks in other pages of the table, blocks that are there already, many pages at a time.
  const rounds = [[9], [900], [9], [2999, 10, 1200], [1201], [9, 2999]];
  for (const [round, blocks] of rounds.entries()) {
    const places = blocks.map((block) => block * MIB + round * 4 * KIB);
    for (const place of places) disk.writeSync(new Uint8Array(4 * KIB).fill(round + 1), place);
    disk.flushSync();
    const stepCount = storage.steps.length;
    for (const guestOffset of places) promised.push({ guestOffset, value: round + 1, stepCount });
  }
  disk.closeSync();
  return { steps: storage.steps, promised };
}

function take(storage: MemoryStorage, step: Step, share = 1): void {
  if (step.kind === 'truncate') storage.truncateSync(step.sizeBytes);
  if (step.kind !== 'write') return;
  const length = Math.floor((step.bytes.length * share) / 512) * 512;
  storage.writeSync(step.bytes.subarray(0, length), step.offset);
}

function expectPromised(bytes: Uint8Array, promised: readonly Promised[], stepCount: number): void {
  const buffer = new Uint8Array(4 * KIB);
  for (const readOnly of [true, false]) {
    using disk: DiskFile = openDiskFileSync(new MemoryStorage(bytes.slice()), {
      readOnly,
      format: 'vhdx',
    });
    for (const { guestOffset, value } of promised.filter((one) => one.stepCount <= stepCount)) {
      disk.readSync(buffer, guestOffset);
      if (buffer.some((byte) => byte !== value))
        throw new Error(`${value} at ${guestOffset} is lost`);
    }
  }
}

describe('a VHDX disk after a loss of power', () => {
  it('opens and holds what was flushed, with any step cut short or the last before a flush alone', () => {
    const { steps, promised } = run();
    const before = new MemoryStorage(created.slice());
    let durable = created;
    let checked = 0;
    for (const [stepCount, step] of steps.entries()) {
      const half = new MemoryStorage(before.bytes.slice());
      take(half, step, 0.5);
      const alone = new MemoryStorage(durable.slice());
      take(alone, step);
      expectPromised(before.bytes, promised, stepCount);
      expectPromised(half.bytes, promised, stepCount);
      expectPromised(alone.bytes, promised, stepCount);
      take(before, step);
      if (step.kind === 'flush') durable = before.bytes.slice();
      checked += 1;
    }
    expectPromised(before.bytes, promised, steps.length);
    expect(checked).toBeGreaterThan(40);
  });

  it('does not name a log before there is an entry, nor when it cannot be written', () => {
    class FullStorage extends MemoryStorage {
      isFull = true;
      override writeSync(src: Uint8Array, offset: number): void {
        // The log of a new file is a hole, which the host may have no space for.
        if (this.isFull && offset >= MIB && offset < 2 * MIB) {
          throw new DiskError('no-space', 'test.full', 'full');
        }
        super.writeSync(src, offset);
      }
    }
    const storage = new FullStorage(created.slice());
    const disk = openDiskFileSync(storage, { readOnly: false, format: 'vhdx' });
    disk.writeSync(new Uint8Array(4 * KIB).fill(7), 0);
    expect(() => disk.flushSync()).toThrowError(expect.objectContaining({ code: 'no-space' }));
    expectPromised(storage.bytes, [], 0);
    storage.isFull = false;
    disk.flushSync();
    const kept = [{ guestOffset: 0, value: 7, stepCount: 0 }];
    expectPromised(storage.bytes, kept, 0);
    disk.closeSync();
    expectPromised(storage.bytes, kept, 0);
  });
});
