import { describe, expect, it } from 'vitest';
import { writeU64be } from '@diskfile/bytes';
import { type BitmapInfo, type DiskFile, MemoryStorage } from '@diskfile/core';
import { BitmapModel, perform } from './support/bitmap-model.ts';
import { bitmapPlaces } from './support/bitmap-places.ts';
import { contentOf } from './support/content.ts';
import { CrashStorage, randomFrom } from './support/crash-storage.ts';
import { dirtyRangesByQemu, dirtyRangesOf, joined } from './support/dirty-ranges.ts';
import { WorkDirectory } from './support/qemu.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from './support/writable-image.ts';

const KIBIBYTE = 1024;
/** No multiple of any granule, nor of 8 granules of 512 bytes. */
const SIZE = 3_000_320;

const COMBINATIONS: [name: string, options: CreateOptions, granule: number][] = [
  ['as qemu-img makes them', {}, 64 * KIBIBYTE],
  ['512-byte clusters and granules', { cluster_size: 512 }, 512],
  ['4 KiB clusters, 512-byte granules', { cluster_size: 4096 }, 512],
  ['2 MiB clusters', { cluster_size: 2048 * KIBIBYTE }, 512],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }, 512],
  ['lazy refcounts', { cluster_size: 4096, lazy_refcounts: true }, 4096],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }, 1024],
  ['granules larger than the disk', { cluster_size: 4096 }, 16 * 1024 * KIBIBYTE],
];

function load(directory: WorkDirectory, name: string): ImageFiles {
  return new ImageFiles(new MemoryStorage(directory.read(name), name));
}

/** Works on an image in the directory. */
function edit(directory: WorkDirectory, name: string, work: (disk: DiskFile) => void): void {
  const files = load(directory, name);
  const disk = openWritable(files);
  expect(disk.warnings).toEqual([]);
  work(disk);
  disk.closeSync();
  directory.write(name, files.imageBytes);
}

/** What `qemu-img info` says of the bitmaps, in our words. */
function bitmapsByQemu(directory: WorkDirectory, name: string): BitmapInfo[] {
  interface Info {
    readonly 'format-specific': {
      readonly data: {
        readonly bitmaps?: readonly { name: string; granularity: number; flags: string[] }[];
      };
    };
  }
  const info = JSON.parse(directory.run('qemu-img', 'info', '--output=json', name)) as Info;
  const { bitmaps = [] } = info['format-specific'].data;
  return bitmaps
    .map(({ name: own, granularity, flags }) => ({
      name: own,
      granularityBytes: granularity,
      flags,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Both see the same bitmaps and the same dirty ranges, and the check finds nothing. */
function compare(directory: WorkDirectory, ours: string, theirs = ours): void {
  directory.check(ours);
  const expected = bitmapsByQemu(directory, theirs);
  expect(bitmapsByQemu(directory, ours)).toEqual(expected);
  const disk = openWritable(load(directory, ours), { writable: false });
  const listed = disk.capabilities.bitmaps!.list();
  expect(listed.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(expected);
  for (const { name } of expected) {
    const ranges = joined(dirtyRangesByQemu(directory, theirs, name));
    expect(dirtyRangesOf(disk, name), name).toEqual(ranges);
    expect(joined(dirtyRangesByQemu(directory, ours, name)), name).toEqual(ranges);
  }
}

describe('bitmaps that QEMU made', () => {
  it.each(COMBINATIONS)('say here what they say there: %s', (_, options, granule) => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE, options);
    directory.run('qemu-img', 'bitmap', '--add', '-g', String(granule), 'image', 'bits');
    compare(directory, 'image');
    const random = randomFrom(granule);
    for (let round = 0; round < 2; round++) {
      const commands = Array.from({ length: 5 }, () => `write ${rangeText(randomRange(random))}`);
      directory.run('qemu-io', ...commands.flatMap((text) => ['-c', text]), 'image');
      compare(directory, 'image');
      edit(directory, 'image', () => {});
      compare(directory, 'image');
    }
    const whole = `discard 0 ${SIZE}`;
    directory.run('qemu-io', '-d', 'unmap', '-c', whole, 'image');
    compare(directory, 'image');
  });
});

interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Whole sectors, mostly few. */
function randomRange(random: () => number, sizeBytes = SIZE): ByteRange {
  const offset = Math.floor(random() * (sizeBytes / 512)) * 512;
  const length = (1 + Math.floor(random() * (random() < 0.7 ? 20 : 3000))) * 512;
  return { offset, length: Math.min(length, sizeBytes - offset) };
}

function rangeText({ offset, length }: ByteRange): string {
  return `${offset} ${length}`;
}

/** One change, made by us in `ours` and by the tools in `theirs`. */
class Twins {
  readonly #directory: WorkDirectory;
  readonly #random: () => number;
  readonly #granules: readonly number[];
  #made = 0;

  constructor(directory: WorkDirectory, random: () => number, granules: readonly number[]) {
    this.#directory = directory;
    this.#random = random;
    this.#granules = granules;
  }

  step(disk: DiskFile): void {
    const kind = this.#random();
    const bitmaps = disk.capabilities.bitmaps!;
    const names = bitmaps.list().map(({ name }) => name);
    if (kind < 0.1) return this.#resize(disk);
    if (kind < 0.45) return this.#change(disk);
    if (kind < 0.6 || names.length === 0) return this.#add(disk);
    const name = this.#pick(names);
    if (kind < 0.66) {
      this.#qemu('--remove', name);
      bitmaps.removeSync(name);
    } else if (kind < 0.74) {
      this.#qemu('--clear', name);
      bitmaps.clearSync(name);
    } else if (kind < 0.82) {
      this.#qemu('--enable', name);
      bitmaps.enableSync(name);
    } else if (kind < 0.9) {
      this.#qemu('--disable', name);
      bitmaps.disableSync(name);
    } else {
      const source = this.#pick(names);
      this.#directory.run('qemu-img', 'bitmap', '--merge', source, 'theirs', name);
      bitmaps.mergeSync(name, [source]);
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }

  #qemu(change: string, name: string): void {
    this.#directory.run('qemu-img', 'bitmap', change, 'theirs', name);
  }

  #add(disk: DiskFile): void {
    this.#made += 1;
    const name = `bitmap ${this.#made}`;
    const granularityBytes = this.#random() < 0.2 ? undefined : this.#pick(this.#granules);
    const given = granularityBytes === undefined ? [] : ['-g', String(granularityBytes)];
    this.#directory.run('qemu-img', 'bitmap', '--add', ...given, 'theirs', name);
    disk.capabilities.bitmaps!.createSync(
      name,
      granularityBytes === undefined ? {} : { granularityBytes },
    );
  }

  #resize(disk: DiskFile): void {
    const sizeBytes = (1 + Math.floor(this.#random() * (SIZE / 256))) * 512;
    this.#directory.run('qemu-img', 'resize', '--shrink', 'theirs', String(sizeBytes));
    disk.capabilities.resizing!.resizeSync(sizeBytes, { shrink: true });
  }

  #change(disk: DiskFile): void {
    const range = randomRange(this.#random, disk.sizeBytes);
    const kind = this.#random();
    const command = kind < 0.6 ? 'write' : kind < 0.8 ? 'write -z' : 'discard';
    const text = `${command} ${rangeText(range)}`;
    this.#directory.run('qemu-io', '-d', 'unmap', '-c', text, 'theirs');
    if (kind < 0.6) disk.writeSync(contentOf(1, range.length), range.offset);
    else if (kind < 0.8) disk.writeZeroesSync(range.offset, range.length);
    else disk.discardSync(range.offset, range.length);
  }
}

describe('bitmaps that we made', () => {
  it.each(COMBINATIONS)('equal those of the tools: %s', (_, options, granule) => {
    for (let seed = 0; seed < Number(process.env['BITMAP_RUNS'] ?? 1); seed++) {
      using directory = new WorkDirectory();
      directory.createQcow2('ours', SIZE, options);
      directory.createQcow2('theirs', SIZE, options);
      const twins = new Twins(directory, randomFrom(seed), [granule, 512, 64 * KIBIBYTE]);
      for (let round = 0; round < 4; round++) {
        edit(directory, 'ours', (disk) => {
          for (let step = 0; step < 6; step++) twins.step(disk);
        });
        compare(directory, 'ours', 'theirs');
      }
    }
  });
});

describe('the tools take what we leave', () => {
  it.each(COMBINATIONS)('of a bitmap that calls all dirty: %s', (_, options, granule) => {
    using directory = new WorkDirectory();
    for (const name of ['ours', 'theirs']) {
      directory.createQcow2(name, SIZE, options);
      directory.run('qemu-img', 'bitmap', '--add', '-g', String(granule), name, 'bits');
    }
    directory.run('qemu-io', '-c', `discard 0 ${SIZE}`, 'theirs');
    edit(directory, 'ours', (disk) => disk.discardSync(0, SIZE));
    compare(directory, 'ours', 'theirs');
    for (const name of ['ours', 'theirs']) {
      directory.run('qemu-img', 'bitmap', '--add', '-g', '512', name, 'copy');
      directory.run('qemu-img', 'bitmap', '--merge', 'bits', name, 'copy');
    }
    compare(directory, 'ours', 'theirs');
  });

  it('of an image that was not closed, as of their own', () => {
    using directory = new WorkDirectory();
    for (const name of ['ours', 'theirs']) {
      directory.createQcow2(name, SIZE, {});
      for (const bitmap of ['on', 'off']) {
        directory.run('qemu-img', 'bitmap', '--add', name, bitmap);
      }
      directory.run('qemu-io', '-c', 'write 0 100k', name);
      directory.run('qemu-img', 'bitmap', '--disable', name, 'off');
    }
    const files = load(directory, 'ours');
    const disk = openWritable(files);
    disk.writeSync(contentOf(1, 4096), 700_000);
    disk.flushSync();
    directory.write('ours', files.imageBytes);
    const crash = ['-c', 'write 700000 4k', '-c', 'flush', '-c', 'abort'];
    expect(() => directory.run('qemu-io', ...crash, 'theirs')).toThrow();
    directory.check('ours');
    const flags = (name: string) => bitmapsByQemu(directory, name).map((each) => each.flags);
    // What is not enabled is not touched here, so that it is not lost either.
    expect(flags('ours')).toEqual([[], ['in-use', 'auto']]);
    expect(flags('theirs')).toEqual([['in-use'], ['in-use', 'auto']]);
    const before = joined(dirtyRangesByQemu(directory, 'ours', 'off'));
    expect(before).toEqual([{ guestOffset: 0, lengthBytes: 131_072 }]);
    for (const name of ['ours', 'theirs']) {
      const left = openWritable(load(directory, name), { writable: false });
      expect(left.capabilities.bitmaps!.list()).toHaveLength(2);
      expect(() => dirtyRangesOf(left, 'on')).toThrow('was not saved properly');
    }
    edit(directory, 'theirs', (left) => {
      for (const name of ['on', 'off']) left.capabilities.bitmaps!.removeSync(name);
    });
    directory.check('theirs');
    expect(bitmapsByQemu(directory, 'theirs')).toEqual([]);
  });

  it('of a bitmap that kept them from opening the image', () => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE, {});
    for (const name of ['bad', 'good']) directory.run('qemu-img', 'bitmap', '--add', 'image', name);
    directory.run('qemu-io', '-c', 'write 0 100k', 'image');
    const image = directory.read('image');
    writeU64be(image, bitmapPlaces(image).bitmaps[0]!.table, 520);
    directory.write('image', image);
    expect(() => directory.run('qemu-io', '-c', 'write 0 4k', 'image')).toThrow();
    const files = load(directory, 'image');
    const disk = openWritable(files);
    expect(disk.warnings.map(({ detail }) => detail)).toEqual(['qcow2.bitmap-dropped']);
    disk.writeSync(contentOf(1, 512), 2_000_000);
    disk.closeSync();
    directory.write('image', files.imageBytes);
    directory.run('qemu-io', '-c', 'write 0 4k', 'image');
    expect(bitmapsByQemu(directory, 'image').map(({ name }) => name)).toEqual(['good']);
    // What a damaged table names may be anyone's: it is leaked rather than given back.
    expect(directory.report('image')).toMatchObject({ leaks: 2 });
    directory.run('qemu-img', 'check', '-q', '-r', 'leaks', 'image');
    compare(directory, 'image');
  });

  it('of bitmaps that another program left behind', () => {
    using directory = new WorkDirectory();
    for (const name of ['ours', 'theirs']) {
      directory.createQcow2(name, SIZE, {});
      directory.run('qemu-img', 'bitmap', '--add', name, 'bits');
      const image = directory.read(name);
      image[95] = 0;
      directory.write(name, image);
    }
    directory.run('qemu-io', '-c', 'write 0 4k', 'theirs');
    const files = load(directory, 'ours');
    const disk = openWritable(files);
    disk.writeSync(contentOf(1, 4096), 0);
    disk.closeSync();
    directory.write('ours', files.imageBytes);
    const leaks = (name: string) => {
      expect(() => directory.check(name)).toThrow();
      return directory.report(name)['leaks'];
    };
    expect(leaks('ours')).toEqual(leaks('theirs'));
    for (const name of ['ours', 'theirs']) {
      directory.run('qemu-img', 'check', '-q', '-r', 'leaks', name);
      expect(bitmapsByQemu(directory, name)).toEqual([]);
    }
  });
});

describe('a loss of power while bitmaps change', () => {
  it.each(COMBINATIONS)('leaves what the tools can work with: %s', (_, options) => {
    using directory = new WorkDirectory();
    const random = randomFrom(11);
    const storage = new CrashStorage(new Uint8Array(0), 'image');
    const files = createImage(new ImageFiles(storage), SIZE, options);
    storage.flushSync();
    let states = 0;
    const look = () => {
      directory.write(
        'crashed',
        storage.crashed(() => random() < 0.5),
      );
      const expectSound = () => {
        const { corruptions = 0, 'check-errors': checkErrors } = directory.report('crashed');
        expect([corruptions, checkErrors]).toEqual([0, 0]);
      };
      // Lazy refcounts are counted anew when the image is opened for writing, and only then right.
      if (options['lazy_refcounts'] === undefined) expectSound();
      // This also reads all bitmaps that are not in use.
      directory.run('qemu-io', '-c', 'write 0 512', 'crashed');
      expectSound();
      states += 1;
    };
    storage.onOperation = () => {
      if (states < 25 && random() < 0.3) look();
    };
    let model = new BitmapModel(SIZE);
    for (let round = 0; round < 3; round++) {
      const disk = openWritable(files);
      for (let step = 0; step < 6; step++) {
        const work = model.randomWork(random);
        perform(disk, work);
        model = model.after(work);
      }
      disk.closeSync();
    }
    look();
    expect(states).toBeGreaterThan(10);
  });
});
