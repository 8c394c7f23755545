import { describe, expect, it } from 'vitest';
import { type DiskSnapshots, MemoryStorage } from '@diskfile/core';
import { randomFrom } from '../support/crash-storage.ts';
import { contentOf } from '../support/content.ts';
import { firstDifference, readAll } from '../support/open-image.ts';
import { WorkDirectory } from '../support/qemu.ts';
import { randomKind, SnapshotModel } from '../support/snapshot-model.ts';
import { verifyImage } from '../support/verify-image.ts';
import { type CreateOptions, ImageFiles, openWritable } from '../support/writable-image.ts';

const BASE = contentOf(5, 300_000);
const KIBIBYTE = 1024;
const SIZE_BYTES = 1_500_160;

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['as qemu-img makes them', {}],
  ['512-byte clusters', { cluster_size: 512 }],
  ['4096-byte clusters', { cluster_size: 4096 }],
  ['256 KiB clusters', { cluster_size: 256 * KIBIBYTE }],
  ['version 2', { compat: '0.10', cluster_size: 4096 }],
  ['version 2 over backing', { compat: '0.10', cluster_size: 4096, ...backing() }],
  ['over backing', { cluster_size: 4096, ...backing() }],
  ['8-bit refcounts', { cluster_size: 4096, refcount_bits: 8 }],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }],
  ['lazy refcounts', { cluster_size: 4096, lazy_refcounts: true }],
  ['extended L2', { extended_l2: true }],
  ['extended L2 over backing', { extended_l2: true, cluster_size: 16_384, ...backing() }],
  ['preallocated', { cluster_size: 4096, preallocation: 'metadata' }],
];

function backing(): CreateOptions {
  return { backing_file: 'base', backing_fmt: 'raw' };
}

function load(directory: WorkDirectory): ImageFiles {
  const files = new ImageFiles(new MemoryStorage(directory.read('image'), 'image'));
  files.others.set('base', new MemoryStorage(BASE, 'base'));
  return files;
}

/** Clusters that share their host clusters with others; where there are clusters, none can be. */
function writeCompressed(directory: WorkDirectory, options: CreateOptions): void {
  const clusterBytes = Number(options['cluster_size'] ?? 64 * KIBIBYTE);
  if (options['preallocation'] !== undefined || clusterBytes > 64 * KIBIBYTE) return;
  const commands = Array.from({ length: 16 }, (_, index) => {
    const guestOffset = Math.floor((index * 90_000) / clusterBytes) * clusterBytes;
    return ['-c', `write -c -P ${index + 1} ${guestOffset} ${clusterBytes}`];
  });
  directory.run('qemu-io', ...commands.flat(), 'image');
}

/** Work through this package: on the image as the directory has it, which gets it back. */
function workHere(directory: WorkDirectory, model: SnapshotModel, random: () => number): void {
  const files = load(directory);
  const disk = openWritable(files);
  for (let step = 0; step < 12; step++) {
    const kind = model.kept.length > 4 ? 'delete' : randomKind(random);
    model.work(disk, kind, random);
  }
  disk.closeSync();
  expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  directory.write('image', files.imageBytes);
}

/** Work through the genuine tools. */
function workThere(directory: WorkDirectory, model: SnapshotModel, random: () => number): void {
  for (let step = 0; step < 3; step++) {
    const commands = Array.from({ length: 4 }, () => qemuCommand(random));
    directory.run('qemu-io', '-d', 'unmap', ...commands.flatMap((text) => ['-c', text]), 'image');
    // What a discard leaves behind is the tool's choice.
    model.active = readAll(openWritable(load(directory), { writable: false }));
    const chosen = model.kept[Math.floor(random() * model.kept.length)];
    const kind = random();
    if (kind < 0.5 || chosen === undefined) {
      if (model.kept.length > 4) continue;
      const highest = Math.max(0, ...model.kept.map(({ id }) => Number(id)));
      const name = `theirs ${step}`;
      directory.run('qemu-img', 'snapshot', '-c', name, 'image');
      model.kept.push({ id: String(highest + 1), name, content: model.active.slice() });
    } else if (kind < 0.75) {
      directory.run('qemu-img', 'snapshot', '-a', chosen.id, 'image');
      model.active = chosen.content.slice();
    } else {
      // It takes the first of that name.
      const first = model.kept.find(({ name }) => name === chosen.name);
      directory.run('qemu-img', 'snapshot', '-d', chosen.name, 'image');
      model.kept = model.kept.filter((state) => state !== first);
    }
  }
}

function qemuCommand(random: () => number): string {
  const at = Math.floor(random() * 1400) * KIBIBYTE;
  const length = (1 + Math.floor(random() * 60)) * KIBIBYTE;
  const kinds = ['write -P 7', 'write -P 9', 'write -z', 'write -zu', 'discard'];
  return `${kinds[Math.floor(random() * kinds.length)]} ${at} ${length}`;
}

function expectAll(directory: WorkDirectory, model: SnapshotModel): void {
  directory.check('image');
  expect(firstDifference(directory.contentOf('image'), model.active)).toBe(-1);
  for (const { id, content } of model.kept) {
    const read = ['-f', 'qcow2', '-l', `snapshot.id=${id}`, '-O', 'raw'];
    directory.run('qemu-img', 'convert', ...read, 'image', 'snapshot.raw');
    expect(firstDifference(directory.read('snapshot.raw'), content)).toBe(-1);
  }
  const files = load(directory);
  const disk = openWritable(files, { writable: false });
  expect(model.difference(files, disk)).toBeUndefined();
}

describe('snapshots made here and by qemu-img in turn', () => {
  it.each(COMBINATIONS)('%s', (_, options) => {
    for (let seed = 0; seed < Number(process.env['SNAPSHOT_RUNS'] ?? 1); seed++) {
      using directory = new WorkDirectory();
      directory.write('base', BASE);
      directory.createQcow2('image', SIZE_BYTES, options);
      writeCompressed(directory, options);
      const random = randomFrom(seed);
      const model = new SnapshotModel(readAll(openWritable(load(directory))));
      for (let round = 0; round < 3; round++) {
        workHere(directory, model, random);
        expectAll(directory, model);
        workThere(directory, model, random);
        expectAll(directory, model);
      }
    }
  });
});

/** What the tool lists, but for the dates. */
function listed(directory: WorkDirectory, name: string): string {
  const text = directory.run('qemu-img', 'snapshot', '-l', name);
  return text.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE');
}

describe('qemu-img lists what it would have made itself', () => {
  it.each<[string, CreateOptions]>([
    ['version 2', { compat: '0.10' }],
    ['version 3', {}],
  ])('%s', (_, options) => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE_BYTES, options);
    directory.run('qemu-io', '-c', 'write -P 3 0 300k', 'image');
    directory.write('genuine', directory.read('image'));
    const steps: ['-c' | '-a' | '-d', string][] = [
      ['-c', 'first'],
      ['-c', 'with spaces, ünïcode'],
      ['-c', 'first'],
      ['-a', '2'],
      ['-d', 'with spaces, ünïcode'],
      ['-c', '7'],
      ['-d', 'first'],
      ['-c', ''],
      ['-a', '7'],
      ['-d', '7'],
      ['-c', 'n'.repeat(255)],
    ];
    for (const [flag, name] of steps) {
      directory.run('qemu-img', 'snapshot', flag, name, 'genuine');
      const files = load(directory);
      const disk = openWritable(files);
      const snapshots = disk.capabilities.snapshots!;
      if (flag === '-c') snapshots.createSync(name);
      else if (flag === '-a') snapshots.applySync(name);
      else snapshots.deleteSync(name);
      disk.closeSync();
      directory.write('image', files.imageBytes);
      expect(listed(directory, 'image')).toBe(listed(directory, 'genuine'));
    }
    directory.check('image');
    directory.run('qemu-img', 'compare', 'image', 'genuine');
  });
});

describe('a snapshot of another size', () => {
  it('brings its size along', () => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE_BYTES, { cluster_size: 4096 });
    directory.run('qemu-io', '-c', 'write -P 3 0 1400k', 'image');
    directory.run('qemu-img', 'snapshot', '-c', 'small', 'image');
    directory.run('qemu-img', 'resize', '-q', 'image', '9M');
    directory.run('qemu-io', '-c', 'write -P 4 1M 8M', 'image');
    directory.run('qemu-img', 'snapshot', '-c', 'large', 'image');
    const files = load(directory);
    const disk = openWritable(files);
    const large = readAll(disk);
    for (const name of ['small', 'large', 'small', 'large']) {
      disk.capabilities.snapshots!.applySync(name);
      expect(disk.sizeBytes).toBe(name === 'small' ? SIZE_BYTES : large.length);
      disk.writeSync(contentOf(1, 5000), disk.sizeBytes - 5000);
      disk.flushSync();
      directory.write('image', files.imageBytes);
      directory.run('qemu-img', 'check', '-q', 'image');
    }
    disk.capabilities.snapshots!.applySync('large');
    disk.closeSync();
    directory.write('image', files.imageBytes);
    directory.check('image');
    expect(firstDifference(directory.contentOf('image'), large)).toBe(-1);
  });
});

describe('saved VM state', () => {
  it('stays with its snapshot, and comes back with it', () => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE_BYTES, { cluster_size: 4096 });
    directory.run('qemu-io', '-c', 'write -P 3 0 100k', '-c', 'write -b -P 77 0 40k', 'image');
    const work = (action: (snapshots: DiskSnapshots) => void) => {
      const files = load(directory);
      const disk = openWritable(files);
      action(disk.capabilities.snapshots!);
      disk.closeSync();
      directory.write('image', files.imageBytes);
      directory.check('image');
    };
    const expectState = (pattern: number) => {
      const read = `read -b -P ${pattern} 0 40k`;
      expect(directory.run('qemu-io', '-c', read, 'image')).not.toContain('verification failed');
    };
    work((snapshots) => snapshots.createSync('with state'));
    expectState(77);
    directory.run('qemu-io', '-c', 'write -b -P 78 0 40k', 'image');
    directory.run('qemu-img', 'snapshot', '-c', 'other state', 'image');
    work((snapshots) => snapshots.applySync('with state'));
    expectState(77);
    work((snapshots) => {
      snapshots.deleteSync('with state');
      snapshots.applySync('other state');
      snapshots.deleteSync('other state');
    });
    expectState(78);
  });
});

describe('an empty disk', () => {
  it('has snapshots as well', () => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', 0, {});
    for (let round = 0; round < 2; round++) {
      const files = load(directory);
      const disk = openWritable(files);
      disk.capabilities.snapshots!.createSync('first');
      disk.capabilities.snapshots!.createSync('second');
      disk.capabilities.snapshots!.applySync('first');
      disk.capabilities.snapshots!.deleteSync('first');
      disk.closeSync();
      directory.write('image', files.imageBytes);
      directory.check('image');
      directory.run('qemu-img', 'snapshot', '-a', 'second', 'image');
      directory.run('qemu-img', 'snapshot', '-d', 'second', 'image');
      directory.check('image');
    }
  });
});

describe('bitmaps', () => {
  it('stay what they are beside snapshots, and keep one from being applied, as with qemu-img', () => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE_BYTES, { cluster_size: 4096 });
    directory.run('qemu-img', 'bitmap', '--add', 'image', 'nightly');
    directory.run('qemu-io', '-c', 'write -P 3 0 100k', 'image');
    directory.run('qemu-img', 'snapshot', '-c', 'theirs', 'image');
    const before = directory.run('qemu-img', 'map', '--output=json', 'image');
    const files = load(directory);
    const disk = openWritable(files);
    const snapshots = disk.capabilities.snapshots!;
    const ranges = [...disk.capabilities.bitmaps!.dirtyRangesSync('nightly')];
    snapshots.createSync('ours');
    snapshots.deleteSync('theirs');
    expect(() => snapshots.applySync('ours')).toThrow('bitmaps');
    disk.closeSync();
    directory.write('image', files.imageBytes);
    directory.check('image');
    expect(directory.run('qemu-img', 'map', '--output=json', 'image')).toBe(before);
    expect(() => directory.run('qemu-img', 'snapshot', '-a', 'ours', 'image')).toThrow('bitmaps');
    const again = openWritable(load(directory), { writable: false });
    expect(ranges).toEqual([{ guestOffset: 0, lengthBytes: 102_400 }]);
    expect([...again.capabilities.bitmaps!.dirtyRangesSync('nightly')]).toEqual(ranges);
  });
});
