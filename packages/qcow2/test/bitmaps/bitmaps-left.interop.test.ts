import { describe, expect, it } from 'vitest';
import { writeU64be } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage } from '@diskfile/core';
import {
  bitmapsByQemu,
  COMBINATIONS,
  compare,
  edit,
  load,
  SIZE,
} from '../support/bitmap-interop.ts';
import { BitmapModel, perform } from '../support/bitmap-model.ts';
import { bitmapPlaces } from '../support/bitmap-places.ts';
import { contentOf } from '../support/content.ts';
import { CrashStorage, randomFrom } from '../support/crash-storage.ts';
import { dirtyRangesOf } from '../support/dirty-ranges.ts';
import { WorkDirectory } from '../support/qemu.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

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
    for (const name of ['ours', 'theirs']) {
      const flags = bitmapsByQemu(directory, name).map((each) => each.flags);
      expect(flags).toEqual([['in-use'], ['in-use', 'auto']]);
      const left = openWritable(load(directory, name), { writable: false });
      expect(left.capabilities.bitmaps!.list()).toHaveLength(2);
      for (const bitmap of ['on', 'off']) {
        expect(() => dirtyRangesOf(left, bitmap)).toThrow('was not saved properly');
      }
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

/** A name that takes the header almost all the room that it has in one sector. */
const LONG_NAME = `${'./'.repeat(190)}below`;

describe('other changes of an image', () => {
  const changes: [what: string, change: (disk: DiskFile) => void][] = [
    ['a snapshot that comes', (disk) => disk.capabilities.snapshots!.createSync('new')],
    ['a snapshot that goes', (disk) => disk.capabilities.snapshots!.deleteSync('old')],
    ['wider refcounts', (disk) => disk.capabilities.amending!.amendSync({ refcount_bits: 64 })],
    ['lazy refcounts', (disk) => disk.capabilities.amending!.amendSync({ lazy_refcounts: true })],
    [
      'another image below',
      (disk) => disk.capabilities.backing!.setReferenceSync({ name: LONG_NAME, format: 'raw' }),
    ],
  ];

  it.each(changes)('leave its bitmaps as they are: %s', (_, change) => {
    using directory = new WorkDirectory();
    directory.write('below', new Uint8Array(SIZE));
    directory.createQcow2('image', SIZE, { cluster_size: 4096 });
    for (const name of ['on', 'off']) {
      directory.run('qemu-img', 'bitmap', '--add', '-g', '512', 'image', name);
    }
    directory.run('qemu-io', '-c', 'write 5k 100k', '-c', 'write 2M 1k', 'image');
    directory.run('qemu-img', 'bitmap', '--disable', 'image', 'off');
    directory.run('qemu-img', 'snapshot', '-c', 'old', 'image');
    const before = dirtyRangesOf(openWritable(load(directory, 'image'), { writable: false }), 'on');
    const after = [...before, { guestOffset: 2_500_096, lengthBytes: 512 }];
    edit(directory, 'image', (disk) => {
      change(disk);
      disk.writeSync(contentOf(1, 400), 2_500_100);
      expect(dirtyRangesOf(disk, 'on')).toEqual(after);
    });
    const files = load(directory, 'image');
    files.others.set(LONG_NAME, new MemoryStorage(new Uint8Array(SIZE)));
    const disk = openWritable(files, { writable: false });
    expect(dirtyRangesOf(disk, 'on')).toEqual(after);
    expect(dirtyRangesOf(disk, 'off')).toEqual(before);
    directory.check('image');
    directory.run('qemu-img', 'rebase', '-u', '-b', '', 'image');
    compare(directory, 'image');
  });

  it('that QEMU does not make with bitmaps are refused', () => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', SIZE, {});
    directory.run('qemu-img', 'bitmap', '--add', 'image', 'bits');
    directory.run('qemu-img', 'snapshot', '-c', 'old', 'image');
    expect(() => directory.run('qemu-img', 'snapshot', '-a', 'old', 'image')).toThrow('bitmaps');
    edit(directory, 'image', (disk) => {
      const { snapshots, amending } = disk.capabilities;
      expect(() => snapshots!.applySync('old')).toThrow('bitmaps');
      expect(() => amending!.amendSync({ compat: '0.10' })).toThrow('bitmaps');
    });
    compare(directory, 'image');
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
