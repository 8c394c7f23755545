/** Conversions on worker threads: that they come to what conversions in place come to. */
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  convertDiskFile,
  type ConvertDiskFileOptions,
  convertDiskFileSync,
  openDiskFileSync,
} from '../../dist/index.js';
import { countingWorkers, failureOf } from '../support/workers.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/** More than the calling thread takes to itself at once, which is 6 jobs of up to 4 MiB. */
const SIZE_BYTES = 25 * MIB + 512;
let directory: string;
const file = (name: string): string => join(directory, name);

/** Data that compresses and data that does not, zeros within it, and holes. */
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskfile-convert-workers-'));
  const bytes = new Uint8Array(SIZE_BYTES);
  randomFillSync(bytes, 0, 2 * MIB + 300);
  bytes.fill(7, 4 * MIB, 6 * MIB);
  randomFillSync(bytes, 5 * MIB + 4096, 40 * KIB);
  for (let at = 7 * MIB; at < 9 * MIB; at += 24 * KIB) randomFillSync(bytes, at, 5000);
  bytes.fill(9, 10 * MIB);
  randomFillSync(bytes, SIZE_BYTES - 700, 700);
  writeFileSync(file('source.raw'), bytes);
  const source = { format: 'raw' };
  convertDiskFileSync(file('source.raw'), file('deflate.qcow2'), {
    format: 'qcow2',
    compress: true,
    source,
  });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const TARGETS: [name: string, options: ConvertDiskFileOptions][] = [
  ['raw', { format: 'raw' }],
  ['qcow2', { format: 'qcow2' }],
  ['qcow2 of small clusters', { format: 'qcow2', options: { cluster_size: 512 } }],
  ['qcow2 with subclusters', { format: 'qcow2', options: { extended_l2: true } }],
  ['preallocated qcow2', { format: 'qcow2', options: { preallocation: 'metadata' } }],
  ['deflate qcow2', { format: 'qcow2', compress: true }],
  ['zstd qcow2', { format: 'qcow2', compress: true, options: { compression_type: 'zstd' } }],
  ['vdi', { format: 'vdi' }],
  ['split vmdk', { format: 'vmdk', options: { subformat: 'twoGbMaxExtentSparse' } }],
  ['stream-optimized vmdk', { format: 'vmdk', options: { subformat: 'streamOptimized' } }],
  ['vhdx', { format: 'vhdx', options: { block_size: String(MIB) } }],
  ['fixed vhd', { format: 'vhd', options: { subformat: 'fixed', force_size: true } }],
];

/** Converts, and lets the calling thread read nothing of the source before a worker has done a job. */
async function convertOnWorkers(
  source: string,
  target: string,
  options: ConvertDiskFileOptions,
  onWorker: (worker: Worker) => void = () => {},
): Promise<void> {
  let letRead = (): void => {};
  const mayRead = new Promise<void>((resolve) => void (letRead = resolve));
  using disk = openDiskFileSync(source, source.endsWith('.raw') ? { format: 'raw' } : {});
  const held = new Proxy(disk, {
    get(_, key) {
      if (key === 'read') {
        return async (dst: Uint8Array, offset: number) => {
          await mayRead;
          await disk.read(dst, offset);
        };
      }
      const value: unknown = Reflect.get(disk, key, disk);
      return typeof value === 'function' ? value.bind(disk) : value;
    },
  });
  const { workers } = await countingWorkers(
    () => convertDiskFile(held, target, options),
    (worker) => {
      // The first message says that the worker is ready, the second one that it has done something.
      worker.once('message', () => worker.once('message', letRead));
      worker.once('exit', letRead);
      onWorker(worker);
    },
  );
  expect(workers).toBe(options.workers);
}

/** What identifies an image is made anew each time. */
const UNIQUE = new Set(['vdi', 'vmdk', 'vhdx', 'vhd']);

describe('conversions on workers', () => {
  const cases = [
    ...TARGETS.slice(0, 2).map((target) => ['source.raw', ...target] as const),
    ...TARGETS.map((target) => ['deflate.qcow2', ...target] as const),
  ];
  it.each(cases)('%s → %s', async (source, _, options) => {
    const all = { ...options, overwrite: true };
    convertDiskFileSync(file(source), file('in-place'), all);
    await convertOnWorkers(file(source), file('on-workers'), { ...all, workers: 2 });
    const [one, other] = ['in-place', 'on-workers'].map((name) => contentOf(name, options));
    expect(one!.equals(readFileSync(file('source.raw')))).toBe(true);
    expect(other!.equals(one!)).toBe(true);
    if (UNIQUE.has(options.format)) return;
    const images = ['in-place', 'on-workers'].map((name) => readFileSync(file(name)));
    expect(images[0]!.equals(images[1]!)).toBe(true);
  });

  function contentOf(name: string, { format }: ConvertDiskFileOptions): Buffer {
    const disk = openDiskFileSync(file(name), { format });
    const bytes = Buffer.alloc(disk.sizeBytes);
    disk.readSync(bytes, 0);
    disk.closeSync();
    return bytes;
  }

  it('lay data out as it comes when they may', async () => {
    const options = { format: 'qcow2', workers: 3, outOfOrder: true, overwrite: true };
    await convertDiskFile(file('deflate.qcow2'), file('unordered.qcow2'), options);
    expect(contentOf('unordered.qcow2', options).equals(readFileSync(file('source.raw')))).toBe(
      true,
    );
  });

  it('join disks and take a part of them', async () => {
    const whole = readFileSync(file('source.raw'));
    writeFileSync(file('odd.raw'), whole.subarray(0, MIB + 77));
    const disks = [file('odd.raw'), file('deflate.qcow2'), file('odd.raw')];
    const range = { guestOffset: MIB, lengthBytes: 9 * MIB };
    const padding = Buffer.alloc(512 - 77);
    const odd = Buffer.concat([whole.subarray(0, MIB + 77), padding]);
    const joined = Buffer.concat([odd, whole, odd]);
    for (const workers of [0, 2]) {
      const options = { format: 'raw', workers, overwrite: true };
      await convertDiskFile(disks, file('joined.raw'), options);
      expect(readFileSync(file('joined.raw')).equals(joined)).toBe(true);
      await convertDiskFile(disks, file('part.raw'), { ...options, range });
      expect(readFileSync(file('part.raw')).equals(joined.subarray(MIB, 10 * MIB))).toBe(true);
    }
  });

  it('come by themselves once there is something to compute', async () => {
    const bytes = Buffer.alloc(66 * MIB);
    randomFillSync(bytes);
    writeFileSync(file('large.raw'), bytes);
    const format = 'qcow2';
    const source = { format: 'raw' };
    const large = file('large.qcow2');
    const copied = await countingWorkers(() =>
      convertDiskFile(file('large.raw'), large, { format, source }),
    );
    expect(copied.workers).toBe(0);
    {
      using disk = openDiskFileSync(large, { readOnly: false });
      disk.capabilities.compression!.writeSync(
        bytes.fill(7, 65 * MIB).subarray(65 * MIB),
        65 * MIB,
      );
    }
    const decoded = await countingWorkers(() =>
      convertDiskFile(large, file('large-again.raw'), { format: 'raw' }),
    );
    const cores = Math.min(availableParallelism(), 4);
    expect(decoded.workers).toBe(cores === 1 ? 0 : cores);
    expect(readFileSync(file('large-again.raw')).equals(bytes)).toBe(true);
  });

  it('are done without when they do not start', async () => {
    await countingWorkers(
      () => convertDiskFile(file('source.raw'), file('alone.raw'), { format: 'raw', workers: 2 }),
      (worker) => void worker.terminate(),
    );
    expect(readFileSync(file('alone.raw')).equals(readFileSync(file('source.raw')))).toBe(true);
  });

  it('that die at work are an error, and nothing is left behind', async () => {
    const before = readdirSync(directory);
    const options = { format: 'raw', workers: 1 };
    const work = convertOnWorkers(file('source.raw'), file('dead.raw'), options, (worker) => {
      worker.once('message', () => {
        worker.postMessage = () => void worker.terminate();
      });
    });
    const { detail, context } = await failureOf(work);
    expect(detail).toBe('work.worker-died');
    expect(context.request).toBeUndefined();
    expect(readdirSync(directory)).toEqual(before);
  });

  it.each([0, 2])('are called off, %i of them, and nothing is left behind', async (workers) => {
    const before = readdirSync(directory);
    const controller = new AbortController();
    const progress: number[] = [];
    const work = convertDiskFile(file('deflate.qcow2'), file('aborted.qcow2'), {
      format: 'qcow2',
      workers,
      bytesPerSecond: 10 * MIB,
      signal: controller.signal,
      onProgress: ({ doneBytes }) => {
        progress.push(doneBytes);
        if (doneBytes > 0) controller.abort();
      },
    });
    expect((await failureOf(work)).code).toBe('aborted');
    expect(progress.at(-1)).toBeLessThan(SIZE_BYTES);
    expect(readdirSync(directory)).toEqual(before);
  });

  it.each([0, 2])('salvage what can be read, %i of them', async (workers) => {
    const image = readFileSync(file('deflate.qcow2'));
    // The stream of the unit at 4 MiB is made nonsense.
    const disk = openDiskFileSync(file('deflate.qcow2'));
    const expected = contentOf('deflate.qcow2', { format: 'qcow2' });
    disk.closeSync();
    const at = compressedOffset(image, 4 * MIB);
    image.fill(0xff, at, at + 8);
    writeFileSync(file('damaged.qcow2'), image);
    const options = { format: 'raw', workers, overwrite: true };
    const failed = convertDiskFile(file('damaged.qcow2'), file('salvaged.raw'), options);
    expect((await failureOf(failed)).code).toBe('corrupt');
    const { unreadable } = await convertDiskFile(file('damaged.qcow2'), file('salvaged.raw'), {
      ...options,
      salvage: true,
    });
    expect(unreadable).toMatchObject([{ guestOffset: 4 * MIB, lengthBytes: 64 * KIB }]);
    expected.fill(0, 4 * MIB, 4 * MIB + 64 * KIB);
    expect(readFileSync(file('salvaged.raw')).equals(expected)).toBe(true);
  });

  /** Host offset of a compressed cluster of 64 KiB, by the L1 and L2 tables. */
  function compressedOffset(image: Buffer, guestOffset: number): number {
    const l1 = Number(image.readBigUInt64BE(40));
    const l2 = Number(image.readBigUInt64BE(l1) & 0x00ff_ffff_ffff_fe00n);
    const entry = image.readBigUInt64BE(l2 + (guestOffset / (64 * KIB)) * 8);
    expect(entry >> 62n).toBe(1n);
    return Number(entry & ((1n << 54n) - 1n));
  }
});
