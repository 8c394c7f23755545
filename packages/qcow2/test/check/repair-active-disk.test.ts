/**
 * A repair of random damage to what snapshots, refcounts and bitmaps are made of: whatever the
 * tables of those name, the disk reads as before wherever it could be read.
 */
import { expect, it } from 'vitest';
import { type CheckReport, MemoryStorage, type RepairMode, runSync } from '@diskfile/core';
import { DiskError } from '@diskfile/bytes';
import { checkQcow2 } from '../../src/check/check-qcow2.ts';
import { bitmapPlaces } from '../support/bitmap-places.ts';
import { checkContext } from '../support/check-context.ts';
import { contentOf } from '../support/content.ts';
import { randomFrom } from '../support/crash-storage.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const RUNS = Number(process.env['REPAIR_RUNS'] ?? 24);
const FIRST_SEED = Number(process.env['REPAIR_SEED'] ?? 0);
const DISK_BYTES = 256 * 1024;
const OFFSET = 0x00ff_ffff_ffff_fe00n;

const IMAGES: [name: string, options: CreateOptions][] = [
  ['512-byte clusters', { cluster_size: 512 }],
  ['4 KiB clusters', { cluster_size: 4096 }],
  ['version 2', { cluster_size: 512, compat: '0.10' }],
  ['8-bit refcounts', { cluster_size: 1024, refcount_bits: 8 }],
  ['extended L2 entries', { cluster_size: 16_384, extended_l2: true }],
];

function makeImage(options: CreateOptions): Uint8Array {
  const files = createImage(new ImageFiles(), DISK_BYTES, options);
  const disk = openWritable(files);
  const { snapshots, bitmaps, compression } = disk.capabilities;
  disk.writeSync(contentOf(1, 90_000), 0);
  const compressed = new Uint8Array(16_384).map((_, index) => index % 5);
  compression!.writeSync(compressed, 229_376);
  snapshots!.createSync('first');
  if (options['compat'] !== '0.10') {
    bitmaps!.createSync('bitmap', { granularityBytes: 512, enabled: true });
  }
  disk.writeSync(contentOf(2, 30_000), 60_000);
  disk.writeSync(contentOf(3, 20_000), 180_000);
  snapshots!.createSync('second');
  disk.writeSync(contentOf(4, 9000), 100_000);
  disk.writeZeroesSync(20_480, 8192, { mayUnmap: false });
  disk.closeSync();
  return files.imageBytes;
}

/** What is not of the active tables and not content, in the file. */
class Places {
  readonly ranges: [start: number, end: number][] = [];
  /** Where snapshots say how long their tables are. */
  readonly l1Sizes: number[] = [];
  readonly #view: DataView;
  readonly #clusterBytes: number;

  constructor(image: Uint8Array) {
    this.#view = new DataView(image.buffer, image.byteOffset, image.length);
    this.#clusterBytes = 2 ** this.#view.getUint32(20);
    // Where the header has the refcount table and the snapshot table.
    this.ranges.push([48, 72]);
    this.#addSnapshots();
    const table = this.#offset(48);
    const block = this.#offset(table);
    const counts = Math.ceil(image.length / this.#clusterBytes) * 2;
    this.ranges.push([table, table + 32], [block, block + Math.min(this.#clusterBytes, counts)]);
    if (this.#view.getUint32(4) === 2) return;
    const { directory, bitmaps } = bitmapPlaces(image);
    this.ranges.push([directory, directory + 32]);
    for (const each of bitmaps) this.ranges.push([each.table, each.table + each.tableEntries * 8]);
  }

  #offset(at: number): number {
    return Number(this.#view.getBigUint64(at) & OFFSET);
  }

  #addSnapshots(): void {
    const active = new Set(this.#tables(this.#offset(40), this.#view.getUint32(36)));
    let at = this.#offset(64);
    for (let left = this.#view.getUint32(60); left > 0; left--) {
      this.ranges.push([at, at + 40]);
      this.l1Sizes.push(at + 8);
      const [l1, entries] = [this.#offset(at), this.#view.getUint32(at + 8)];
      this.ranges.push([l1, l1 + entries * 8]);
      for (const table of this.#tables(l1, entries)) {
        if (!active.has(table)) this.ranges.push([table, table + this.#clusterBytes]);
      }
      const lengths = this.#view.getUint16(at + 12) + this.#view.getUint16(at + 14);
      at += Math.ceil((40 + lengths + this.#view.getUint32(at + 36)) / 8) * 8;
    }
  }

  #tables(l1: number, entries: number): number[] {
    const all = Array.from({ length: entries }, (_, index) => this.#offset(l1 + index * 8));
    return all.filter((offset) => offset !== 0);
  }
}

/** Makes one to three changes. Says what was done, for messages. */
function damage(image: Uint8Array, clusterBytes: number, random: () => number): string {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const below = (end: number) => Math.floor(random() * end);
  const { ranges, l1Sizes } = new Places(image);
  const done: string[] = [];
  if (random() < 0.5) {
    const at = l1Sizes[below(l1Sizes.length)]!;
    view.setUint32(at, view.getUint32(at) + 2 ** below(17));
    done.push(`length@0x${at.toString(16)}`);
  }
  for (let left = 1 + below(3); left > 0; left--) {
    const [start, end] = ranges[below(ranges.length)]!;
    const at = start + below(end - start);
    const field = at - (at % 8);
    const cluster = below(image.length / clusterBytes + 2) * clusterBytes;
    const kind = below(5);
    if (kind === 0) image[at] = below(256);
    else if (kind === 1) image[at]! ^= 2 ** below(8);
    else if (kind === 2) view.setBigUint64(field, BigInt(cluster) | (BigInt(below(2)) << 63n));
    else if (kind === 3) view.setUint32(at - (at % 4), below(2 ** below(20)));
    else view.setBigUint64(field, BigInt(cluster) | (1n << BigInt(below(64))));
    done.push(`${kind}@0x${at.toString(16)}`);
  }
  return done.join(' ');
}

/** The disk in parts; undefined is one that cannot be read. What is not of the disk is left out. */
function readDisk(image: Uint8Array): (Uint8Array | undefined)[] {
  const bytes = image.slice();
  // No snapshots, and no bitmaps that count: damage of those keeps an image from being opened.
  bytes.fill(0, 60, 72);
  if (bytes[7] === 3) bytes.fill(0, 88, 96);
  const files = new ImageFiles(new MemoryStorage(bytes, 'image'));
  try {
    const disk = openWritable(files, { writable: false });
    return Array.from({ length: DISK_BYTES / 512 }, (_, index) => {
      try {
        const part = new Uint8Array(512);
        disk.readSync(part, index * 512);
        return part;
      } catch (error) {
        if (error instanceof DiskError) return undefined;
        throw error;
      }
    });
  } catch (error) {
    if (error instanceof DiskError) return [];
    throw error;
  }
}

/** What a check finds, counted. */
function described({ checkErrors, corruptions, leaks }: CheckReport): string {
  return `${checkErrors + corruptions} errors, ${leaks} leaks`;
}

/** Undefined where the image is not repaired, or cannot be checked then. */
function countsLeft(image: Uint8Array, repair: RepairMode): string[] | undefined {
  const storage = new MemoryStorage(image.slice(), 'image');
  try {
    const told = runSync(checkQcow2(checkContext(storage, repair)));
    const found = runSync(checkQcow2(checkContext(storage)));
    return [described(told), described(found)];
  } catch (error) {
    if (error instanceof DiskError) return undefined;
    throw error;
  }
}

function repaired(image: Uint8Array): Uint8Array {
  const storage = new MemoryStorage(image.slice(), 'image');
  try {
    runSync(checkQcow2(checkContext(storage, 'all')));
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
  return storage.bytes;
}

it.each(IMAGES)('leaves the disk as it reads: %s', (_, options) => {
  const sound = makeImage(options);
  const clusterBytes = Number(options['cluster_size']);
  const losses: string[] = [];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
    const image = sound.slice();
    const done = damage(image, clusterBytes, randomFrom(seed));
    const before = readDisk(image);
    const after = readDisk(repaired(image));
    const lost = before.filter((part, index) => {
      const now = after[index];
      return part !== undefined && (now === undefined || Buffer.compare(part, now) !== 0);
    });
    if (lost.length > 0) losses.push(`seed ${seed}: ${done}: ${lost.length} sectors`);
  }
  expect(losses).toEqual([]);
});

it.each(IMAGES)('says what a check finds afterwards: %s', (_, options) => {
  const sound = makeImage(options);
  const clusterBytes = Number(options['cluster_size']);
  for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
    const image = sound.slice();
    const done = damage(image, clusterBytes, randomFrom(seed));
    for (const repair of ['leaks', 'all'] as const) {
      const left = countsLeft(image, repair);
      if (left !== undefined) expect(left[0], `seed ${seed}: ${done}`).toBe(left[1]);
    }
  }
});
