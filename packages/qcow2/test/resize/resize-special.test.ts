import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage, sliceDisk } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { randomFrom } from '../support/crash-storage.ts';
import { errorOf, firstDifference, readAll } from '../support/open-image.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const SOUND = { errors: [], leaks: [] };
const SIZE_FIELD = 24;
const L1_OFFSET_FIELD = 40;

function newFiles(sizeBytes: number, options: CreateOptions = {}): ImageFiles {
  return createImage(new ImageFiles(), sizeBytes, options);
}

function resize(disk: DiskFile, sizeBytes: number): void {
  disk.capabilities.resizing!.resizeSync(sizeBytes, { shrink: true });
}

function fill(disk: DiskFile, value: number, offset = 0): void {
  disk.writeSync(new Uint8Array(disk.sizeBytes - offset).fill(value), offset);
}

/** A number of the file, 64 bits. */
function setField(files: ImageFiles, at: number, value: number): void {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  files.image.writeSync(bytes, at);
}

function fieldOf(files: ImageFiles, at: number): number {
  const bytes = new Uint8Array(8);
  files.image.readSync(bytes, at);
  return Number(new DataView(bytes.buffer).getBigUint64(0) & 0x00ff_ffff_ffff_ffffn);
}

/** A host that fails to write the header when that has another size of the disk. */
class FixedSize extends MemoryStorage {
  isFixed = false;

  override writeSync(src: Uint8Array, offset: number): void {
    const sizeOf = (bytes: Uint8Array) => bytes.slice(SIZE_FIELD, SIZE_FIELD + 8).join();
    if (this.isFixed && offset === 0 && sizeOf(src) !== sizeOf(this.bytes)) {
      throw new DiskError('io', 'test.fault', 'the host fails');
    }
    super.writeSync(src, offset);
  }
}

describe('a disk that is resized', () => {
  it('shows its size through all that looks at it', () => {
    const files = newFiles(100 * 1024, { cluster_size: 4096 });
    const disk = openWritable(files);
    const clone = disk.tryClone();
    const slice = sliceDisk(disk, { startBytes: 8192, lengthBytes: 90 * 1024 });
    const { resizing } = disk.capabilities;
    fill(disk, 1);
    resizing!.resizeSync(2000 * 1024 + 1);
    expect([disk.sizeBytes, clone.sizeBytes]).toEqual([2_048_512, 2_048_512]);
    expect(disk.info()[0]!.virtualSizeBytes).toBe(2_048_512);
    clone.writeSync(Uint8Array.of(5), 2_048_511);
    const last = new Uint8Array(1);
    disk.readSync(last, 2_048_511);
    expect(last[0]).toBe(5);
    const covered = [...clone.blockStatusSync()].reduce((sum, part) => sum + part.lengthBytes, 0);
    expect(covered).toBe(2_048_512);
    const status = clone.blockStatusSync()[Symbol.iterator]();
    status.next();
    resize(clone, 50 * 1024);
    expect(errorOf(() => status.next())).toMatchObject({ code: 'out-of-range' });
    expect(errorOf(() => slice.readSync(last, 89 * 1024))).toMatchObject({ code: 'out-of-range' });
    slice.readSync(last, 41 * 1024);
    expect(last[0]).toBe(1);
    expect(errorOf(() => disk.writeSync(last, 50 * 1024))).toMatchObject({ code: 'out-of-range' });
    for (const each of [slice, clone, disk]) each.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it('gives back what it no longer has, and with it the end of the file', () => {
    const files = newFiles(8 * 2 ** 20, { cluster_size: 4096, refcount_bits: 64 });
    const disk = openWritable(files);
    fill(disk, 1);
    disk.flushSync();
    expect(files.image.sizeBytes).toBeGreaterThan(8 * 2 ** 20);
    resize(disk, 100 * 1024);
    disk.closeSync();
    expect(files.image.sizeBytes).toBeLessThan(140 * 1024);
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it('can be nothing at all, and something again', () => {
    const files = newFiles(100 * 1024, { cluster_size: 512 });
    const disk = openWritable(files);
    fill(disk, 1);
    resize(disk, 0);
    expect([...disk.blockStatusSync()]).toEqual([]);
    disk.closeSync();
    const empty = newFiles(0, { cluster_size: 512 });
    for (const each of [files, empty]) {
      const again = openWritable(each);
      resize(again, 300 * 1024);
      expect(readAll(again).every((byte) => byte === 0)).toBe(true);
      fill(again, 2);
      again.closeSync();
      expect(verifyImage(each.imageBytes)).toEqual(SOUND);
    }
  });

  it('keeps a compressed last cluster readable, and zeros behind it', () => {
    for (const options of [{ cluster_size: 16_384 }, { cluster_size: 16_384, extended_l2: true }]) {
      const files = newFiles(20 * 16_384, options);
      const disk = openWritable(files);
      const content = contentOf(3, 20 * 16_384);
      disk.capabilities.compression!.writeSync(content, 0);
      resize(disk, 10 * 16_384 + 1536);
      resize(disk, 15 * 16_384);
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual(SOUND);
      const model = new Uint8Array(15 * 16_384);
      model.set(content.subarray(0, 10 * 16_384 + 1536));
      expect(firstDifference(readAll(openWritable(files, { writable: false })), model)).toBe(-1);
    }
  });

  it('does not show what free clusters held that it preallocates, whatever the host can do', () => {
    for (const canPunch of [true, false]) {
      const files = newFiles(60 * 512, { cluster_size: 512 });
      if (!canPunch) files.image.punchHoleSync = () => false;
      const disk = openWritable(files);
      fill(disk, 9);
      disk.flushSync();
      disk.discardSync(0, 50 * 512);
      disk.flushSync();
      disk.flushSync();
      disk.capabilities.resizing!.resizeSync(100 * 512, { preallocation: 'metadata' });
      const model = new Uint8Array(100 * 512).fill(9, 50 * 512, 60 * 512);
      expect(firstDifference(readAll(disk), model)).toBe(-1);
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    }
  });

  it('gives back what it has set aside when it cannot grow after all', () => {
    for (const preallocation of ['metadata', 'falloc', 'full'] as const) {
      const storage = new FixedSize();
      const files = createImage(new ImageFiles(storage), 60 * 512, { cluster_size: 512 });
      const disk = openWritable(files);
      fill(disk, 1);
      disk.flushSync();
      const before = storage.sizeBytes;
      storage.isFixed = true;
      const grow = () => disk.capabilities.resizing!.resizeSync(180 * 512, { preallocation });
      expect(grow).toThrowError(expect.objectContaining({ detail: 'test.fault' }));
      expect(disk.sizeBytes).toBe(60 * 512);
      storage.isFixed = false;
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual(SOUND);
      expect(storage.sizeBytes).toBeLessThan(before + 8 * 512);
    }
  });

  it('is left alone where the host has no space for what is to be set aside', () => {
    class FullHost extends MemoryStorage {
      override allocateSync(): boolean {
        throw new DiskError('no-space', 'test.full', 'the host is full');
      }
    }
    const files = createImage(new ImageFiles(new FullHost()), 2 ** 20);
    const disk = openWritable(files);
    fill(disk, 1);
    disk.flushSync();
    const before = files.imageBytes;
    const grow = (sizeBytes: number) => () =>
      disk.capabilities.resizing!.resizeSync(sizeBytes, { preallocation: 'falloc' });
    expect(grow(2 ** 28)).toThrowError(expect.objectContaining({ detail: 'test.full' }));
    expect(firstDifference(files.imageBytes, before)).toBe(-1);
    // Nor does it take memory for the refcounts of that much.
    const heapBytes = process.memoryUsage().arrayBuffers;
    expect(grow(2 ** 46)).toThrowError(expect.objectContaining({ detail: 'test.full' }));
    expect(process.memoryUsage().arrayBuffers - heapBytes).toBeLessThan(64 * 2 ** 20);
    disk.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });

  it.each(['falloc', 'full'] as const)(
    'gives back what the host had of %s before it was full',
    (preallocation) => {
      class SmallHost extends MemoryStorage {
        override writeSync(src: Uint8Array, offset: number): void {
          if (offset + src.length > 8 * 2 ** 20) {
            throw new DiskError('no-space', 'test.full', 'the host is full');
          }
          super.writeSync(src, offset);
        }

        override allocateSync(offset: number): boolean {
          this.truncateSync(offset + 2 ** 20);
          throw new DiskError('no-space', 'test.full', 'the host is full');
        }
      }
      const files = createImage(new ImageFiles(new SmallHost()), 2 ** 20);
      const disk = openWritable(files);
      fill(disk, 1);
      disk.flushSync();
      const before = files.image.sizeBytes;
      const { resizing } = disk.capabilities;
      const grow = () => resizing!.resizeSync(2 ** 24, { preallocation });
      expect(grow).toThrowError(expect.objectContaining({ detail: 'test.full' }));
      expect(files.image.sizeBytes).toBe(before);
      resizing!.resizeSync(2 ** 24);
      fill(disk, 2, 2 ** 24 - 2 ** 20);
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    },
  );

  it('does not show what its data file held behind it', () => {
    for (const raw of [false, true]) {
      const files = newFiles(10 * 4096, { cluster_size: 4096, data_file: 'd', data_file_raw: raw });
      const dataFile = files.others.get('d')!;
      dataFile.writeSync(new Uint8Array(30 * 4096).fill(7), 0);
      const disk = openWritable(files);
      fill(disk, 1);
      disk.capabilities.resizing!.resizeSync(20 * 4096, { preallocation: 'metadata' });
      disk.capabilities.resizing!.resizeSync(25 * 4096 + 512);
      const model = new Uint8Array(25 * 4096 + 512).fill(1, 0, 10 * 4096);
      expect(firstDifference(readAll(disk), model)).toBe(-1);
      const stored = new Uint8Array(25 * 4096 + 512);
      if (raw) dataFile.readSync(stored, 0);
      else disk.readSync(stored, 0);
      expect(firstDifference(stored, model)).toBe(-1);
      disk.closeSync();
    }
  });
});

describe('what lies behind the end', () => {
  it('never becomes part of the disk, be it in the L1 table, in L2 tables, or in clusters', () => {
    // 32 KiB for each L2 table. The header is made to say less than what the tables map, as after
    // a crash while shrinking, or with saved VM state.
    for (const grownTo of [40, 100, 199, 200, 201, 300]) {
      const files = newFiles(200 * 1024, { cluster_size: 512 });
      const before = openWritable(files);
      fill(before, 3);
      before.closeSync();
      setField(files, SIZE_FIELD, 33 * 1024 + 512);
      const disk = openWritable(files);
      resize(disk, grownTo * 1024);
      const model = new Uint8Array(grownTo * 1024).fill(3, 0, 33 * 1024 + 512);
      expect(firstDifference(readAll(disk), model)).toBe(-1);
      disk.closeSync();
      expect(verifyImage(files.imageBytes)).toEqual(SOUND);
      expect(firstDifference(readAll(openWritable(files)), model)).toBe(-1);
    }
  });

  it('is not touched when it cannot be given up as it should', () => {
    const files = newFiles(200 * 1024, { cluster_size: 512 });
    const before = openWritable(files);
    fill(before, 3);
    before.closeSync();
    const l2Table = fieldOf(files, fieldOf(files, L1_OFFSET_FIELD) + 5 * 8);
    // An entry that names the header as data.
    setField(files, l2Table, 512 * 3);
    const disk = openWritable(files);
    expect(errorOf(() => resize(disk, 100 * 1024))).toMatchObject({ code: 'corrupt' });
    expect(disk.sizeBytes).toBe(200 * 1024);
    const all = new Uint8Array(160 * 1024);
    disk.readSync(all, 0);
    expect(all.every((byte) => byte === 3)).toBe(true);
    disk.closeSync();
    expect(fieldOf(files, SIZE_FIELD)).toBe(200 * 1024);
  });
});

describe('a size that cannot be', () => {
  it.each<[string, CreateOptions, number, object, string, string]>([
    ['QEMU opens no such L1 table', { cluster_size: 512 }, 2 ** 37 + 1, {}, 'limit', 'large'],
    [
      'the limits allow no such L1 table',
      { cluster_size: 65_536 },
      2 ** 40,
      { maxStructureBytes: 4096 },
      'limit',
      'large',
    ],
    ['no number holds it', {}, 2 ** 53, {}, 'invalid-argument', 'disk.size'],
    [
      'no number holds it with its clusters',
      { cluster_size: 512 },
      2 ** 53 - 1024,
      {},
      'limit',
      '',
    ],
  ])('%s', (_, options, sizeBytes, limits, code, detail) => {
    const files = newFiles(100 * 1024, options);
    const bytes = files.imageBytes;
    const disk = openWritable(files, { limits });
    const error = errorOf(() => resize(disk, sizeBytes));
    expect(error).toMatchObject({ code, detail: expect.stringContaining(detail) as string });
    expect(disk.sizeBytes).toBe(100 * 1024);
    disk.closeSync();
    expect(firstDifference(files.imageBytes, bytes)).toBe(-1);
  });

  it('is not, where an L1 table still fits', () => {
    const files = newFiles(100 * 1024, { cluster_size: 2 * 2 ** 20 });
    const disk = openWritable(files);
    fill(disk, 4);
    const sizeBytes = 2 ** 53 - 1024;
    resize(disk, sizeBytes);
    disk.writeSync(Uint8Array.of(6), sizeBytes - 1);
    disk.closeSync();
    const again = openWritable(files);
    const ends = [0, sizeBytes - 1].map((at) => {
      const byte = new Uint8Array(1);
      again.readSync(byte, at);
      return byte[0];
    });
    expect(ends).toEqual([4, 6]);
    resize(again, 512);
    again.closeSync();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
  });
});

/** Answers after a random number of turns, so that requests overtake each other. */
class SlowStorage extends MemoryStorage {
  readonly #random = randomFrom(6);

  async #wait(most = 6): Promise<void> {
    for (let turns = Math.floor(this.#random() * most); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await this.#wait(this.#random() < 0.3 ? 100 : 6);
    this.readSync(dst, offset);
    await this.#wait();
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await this.#wait();
    this.writeSync(src, offset);
    await this.#wait();
  }

  override async flush(): Promise<void> {
    await this.#wait();
  }
}

describe('requests beside a resize', () => {
  it('take effect in the order they came, or are refused', async () => {
    const options = { cluster_size: 512 };
    const files = createImage(new ImageFiles(new SlowStorage()), 60_416, options);
    const disk = openWritable(files, { limits: { metadataCacheBytes: 16_384 } });
    const random = randomFrom(8);
    let model = new Uint8Array(disk.sizeBytes);
    let refused = 0;
    for (let round = 0; round < 10; round++) {
      const pending: Promise<void>[] = [];
      const expected: string[] = [];
      for (let step = 0; step < 40; step++) {
        const offset = Math.floor(random() * disk.sizeBytes);
        const length = Math.min(1 + Math.floor(random() * 5000), disk.sizeBytes - offset);
        const kind = random();
        // What was within the disk when it was asked for may not be when its turn comes.
        const fits = offset + length <= model.length;
        if (kind < 0.2) {
          const sizeBytes = 512 * (20 + Math.floor(random() * 200));
          pending.push(disk.capabilities.resizing!.resize(sizeBytes, { shrink: true }));
          const resized = new Uint8Array(sizeBytes);
          resized.set(model.subarray(0, sizeBytes));
          model = resized;
          expected.push('fulfilled');
        } else if (kind < 0.6) {
          const src = contentOf(step, length);
          pending.push(disk.write(src, offset));
          if (fits) model.set(src, offset);
          expected.push(fits ? 'fulfilled' : 'rejected');
        } else if (kind < 0.7) {
          pending.push(disk.writeZeroes(offset, length));
          if (fits) model.fill(0, offset, offset + length);
          expected.push(fits ? 'fulfilled' : 'rejected');
        } else if (kind < 0.9) {
          pending.push(disk.read(new Uint8Array(length), offset));
          expected.push('fulfilled');
        } else {
          pending.push(disk.flush());
          expected.push('fulfilled');
        }
      }
      const outcomes = await Promise.allSettled(pending);
      expect(outcomes.map(({ status }) => status)).toEqual(expected);
      refused += expected.filter((status) => status === 'rejected').length;
      expect(firstDifference(readAll(disk), model)).toBe(-1);
    }
    expect(refused).toBeGreaterThan(5);
    await disk.close();
    expect(verifyImage(files.imageBytes)).toEqual(SOUND);
    expect(firstDifference(readAll(openWritable(files)), model)).toBe(-1);
  });
});

describe('space set aside behind a damaged last cluster, as by QEMU', () => {
  const CLUSTER = 65_536;

  it.each([
    ['lies where none can begin', 5 * CLUSTER + 4096],
    ['is a table of the image', 4 * CLUSTER],
  ])('is refused where that %s', (_, hostOffset) => {
    const files = newFiles(15 * CLUSTER + 16_896);
    let disk = openWritable(files);
    disk.writeSync(new Uint8Array(512).fill(5), 15 * CLUSTER);
    disk.closeSync();
    const l2Offset = fieldOf(files, fieldOf(files, L1_OFFSET_FIELD));
    expect(l2Offset).toBe(4 * CLUSTER);
    setField(files, l2Offset + 15 * 8, 2 ** 63 + hostOffset);
    disk = openWritable(files, { asQemu: true });
    const { resizing } = disk.capabilities;
    for (const preallocation of ['falloc', 'full'] as const) {
      const attempt = () => resizing!.resizeSync(32 * CLUSTER, { preallocation });
      expect(errorOf(attempt).code).toBe('corrupt');
    }
    disk.closeSync();
    expect(fieldOf(files, l2Offset + 15 * 8)).toBe(hostOffset);
  });
});
