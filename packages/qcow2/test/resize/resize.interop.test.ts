import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  openChain,
  type Preallocation,
  runSync,
} from '@diskfile/core';
import { hostGate, openFileStorage } from '@diskfile/storage';
import { qcow2Driver } from '../../src/index.ts';
import { contentOf } from '../support/content.ts';
import { randomFrom } from '../support/crash-storage.ts';
import { firstDifference, plainDriver, readAll, TestDecoders } from '../support/open-image.ts';
import { WorkDirectory } from '../support/qemu.ts';
import type { CreateOptions } from '../support/writable-image.ts';

const KIBIBYTE = 1024;
const BASE = contentOf(5, 700 * KIBIBYTE);

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['as qemu-img makes them', {}],
  ['512-byte clusters', { cluster_size: 512 }],
  ['4 KiB clusters', { cluster_size: 4096 }],
  ['version 2', { compat: '0.10', cluster_size: 4096 }],
  ['over backing', { cluster_size: 4096, ...backing() }],
  ['1-bit refcounts', { cluster_size: 512, refcount_bits: 1 }],
  ['64-bit refcounts', { cluster_size: 512, refcount_bits: 64 }],
  ['lazy refcounts', { cluster_size: 4096, lazy_refcounts: true }],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }],
  ['extended L2 over backing', { cluster_size: 16_384, extended_l2: true, ...backing() }],
  ['a data file', { cluster_size: 4096, data_file: 'data' }],
  ['a raw data file', { cluster_size: 4096, data_file: 'data', data_file_raw: true }],
];

function backing(): CreateOptions {
  return { backing_file: 'base', backing_fmt: 'raw' };
}

/** Opens an image of a directory for writing, as files of the host. */
function openIn(directory: WorkDirectory): DiskFile {
  const storage = runSync(openFileStorage(join(directory.path, 'image'), { writable: true }));
  const chain = runSync(
    openChain(storage, {
      drivers: [qcow2Driver, plainDriver],
      decoders: new TestDecoders(),
      gate: hostGate(),
      limits: DEFAULT_LIMITS,
      format: 'qcow2',
      snapshot: undefined,
      writable: true,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

/** The same image twice: one for the genuine tools, one for us. */
class Pair implements Disposable {
  readonly theirs = new WorkDirectory();
  readonly ours = new WorkDirectory();
  sizeBytes: number;
  /**
   * Whether clusters lie at equal places. Shrinking, qemu-img makes an L2 table for no use; and
   * where many refcount blocks are made at once, it can make one more.
   */
  #isPlacedAlike: boolean;

  constructor(sizeBytes: number, options: CreateOptions) {
    this.sizeBytes = sizeBytes;
    this.#isPlacedAlike = options['refcount_bits'] !== 64;
    for (const directory of [this.theirs, this.ours]) {
      directory.write('base', BASE);
      directory.createQcow2('image', sizeBytes, options);
    }
  }

  write(offset: number, lengthBytes: number, pattern: number): void {
    this.theirs.run('qemu-io', '-c', `write -P ${pattern} ${offset} ${lengthBytes}`, 'image');
    using disk = openIn(this.ours);
    disk.writeSync(new Uint8Array(lengthBytes).fill(pattern), offset);
  }

  resize(sizeBytes: number, preallocation: Preallocation = 'off'): void {
    const shrink = sizeBytes < this.sizeBytes;
    const flags = shrink ? ['--shrink'] : [`--preallocation=${preallocation}`];
    this.theirs.run('qemu-img', 'resize', '-q', ...flags, 'image', String(sizeBytes));
    using disk = openIn(this.ours);
    disk.capabilities.resizing!.resizeSync(sizeBytes, { shrink, preallocation });
    this.sizeBytes = sizeBytes;
    if (shrink) this.#isPlacedAlike = false;
  }

  snapshot(name: string): void {
    for (const directory of [this.theirs, this.ours]) {
      directory.run('qemu-img', 'snapshot', '-c', name, 'image');
    }
  }

  expectSameContent(): void {
    for (const directory of [this.theirs, this.ours]) {
      directory.check('image');
      const info = directory.run('qemu-img', 'info', '--output=json', 'image');
      expect((JSON.parse(info) as { 'virtual-size': number })['virtual-size']).toBe(this.sizeBytes);
    }
    const content = this.theirs.contentOf('image');
    expect(firstDifference(this.ours.contentOf('image'), content)).toBe(-1);
    using disk = openIn(this.ours);
    expect(firstDifference(readAll(disk), content)).toBe(-1);
  }

  expectSameMap(): void {
    const [theirs, ours] = [this.theirs, this.ours].map((directory) =>
      mapOf(directory.run('qemu-img', 'map', '--output=json', 'image'), this.#isPlacedAlike),
    );
    expect(ours).toEqual(theirs);
  }

  [Symbol.dispose](): void {
    this.theirs[Symbol.dispose]();
    this.ours[Symbol.dispose]();
  }
}

interface MapEntry {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly zero: boolean;
  readonly data: boolean;
  readonly present: boolean;
  readonly offset?: number;
}

/**
 * What a map says of each sector. Whether data is a hole of the host's file, and so reads as zeros,
 * depends on how it was written.
 */
function mapOf(json: string, withPlaces: boolean): string[] {
  return (JSON.parse(json) as MapEntry[]).flatMap(({ start, length, depth, ...entry }) =>
    Array.from({ length: length / 512 }, (_, sector) => {
      const { zero, data, present, offset } = entry;
      const kind = data ? 'data' : zero ? 'zero' : 'none';
      const place = offset === undefined ? 'nowhere' : withPlaces ? offset + sector * 512 : '';
      return `${start + sector * 512}: ${kind} ${present} ${depth} at ${place}`;
    }),
  );
}

describe('resizing as qemu-img does it', () => {
  it.each(COMBINATIONS)('%s', (_, options) => {
    const clusterBytes = Number(options['cluster_size'] ?? 65_536);
    for (const mayShrink of [false, true]) {
      const random = randomFrom(mayShrink ? 1 : 0);
      using pair = new Pair(384 * KIBIBYTE, options);
      for (let step = 0; step < 9; step++) {
        if (random() < 0.5) {
          const offset = Math.floor((random() * pair.sizeBytes) / 512) * 512;
          const wanted = (1 + Math.floor(random() * 100)) * 512;
          pair.write(offset, Math.min(wanted, pair.sizeBytes - offset), step + 1);
        } else {
          // Whole clusters: of what lies behind the end in the last one, qemu-img takes no care.
          const [least, most] = mayShrink ? [0, 1500] : [pair.sizeBytes / KIBIBYTE, 2000];
          const wanted = (least + random() * (most - least)) * KIBIBYTE;
          const sizeBytes = (Math.floor(wanted / clusterBytes) + 1) * clusterBytes;
          const modes: Preallocation[] = ['off', 'off', 'metadata', 'falloc', 'full'];
          const mode = modes[Math.floor(random() * modes.length)]!;
          pair.resize(sizeBytes, sizeBytes > pair.sizeBytes ? mode : 'off');
        }
        pair.expectSameContent();
        pair.expectSameMap();
      }
    }
  });

  it.each<Preallocation>(['off', 'metadata', 'falloc', 'full'])(
    'from and to the middle of a cluster: %s',
    (preallocation) => {
      for (const options of [{ cluster_size: 4096 }, { cluster_size: 4096, ...backing() }]) {
        using pair = new Pair(100 * KIBIBYTE + 512, options);
        pair.write(0, 90 * KIBIBYTE, 1);
        pair.resize(200 * KIBIBYTE + 1024, preallocation);
        pair.expectSameContent();
        pair.write(98 * KIBIBYTE, 4 * KIBIBYTE, 2);
        pair.write(199 * KIBIBYTE, 2 * KIBIBYTE, 3);
        pair.resize(300 * KIBIBYTE + 512, preallocation);
        pair.expectSameContent();
      }
    },
  );

  it('with snapshots, which keep the size that they were taken at', () => {
    for (const options of [{ cluster_size: 4096 }, { cluster_size: 16_384, extended_l2: true }]) {
      using pair = new Pair(4 * 1024 * KIBIBYTE, options);
      pair.write(0, 4 * 1024 * KIBIBYTE, 1);
      pair.snapshot('before');
      pair.write(1000 * KIBIBYTE, 100 * KIBIBYTE, 2);
      pair.resize(1024 * KIBIBYTE);
      pair.expectSameContent();
      pair.snapshot('small');
      pair.resize(6 * 1024 * KIBIBYTE);
      pair.write(3000 * KIBIBYTE, 100 * KIBIBYTE, 3);
      pair.expectSameContent();
      for (const [name, sizeBytes] of [
        ['small', 1024 * KIBIBYTE],
        ['before', 4 * 1024 * KIBIBYTE],
      ] as const) {
        for (const directory of [pair.theirs, pair.ours]) {
          directory.run('qemu-img', 'snapshot', '-a', name, 'image');
        }
        pair.sizeBytes = sizeBytes;
        pair.expectSameContent();
      }
      pair.resize(5 * 1024 * KIBIBYTE, 'metadata');
      pair.expectSameContent();
    }
  });

  it('to the largest L1 table that there is, and back', () => {
    using directory = new WorkDirectory();
    directory.createQcow2('image', 128 * KIBIBYTE, { cluster_size: 512 });
    {
      using disk = openIn(directory);
      disk.writeSync(new Uint8Array(20 * KIBIBYTE).fill(1), 1024);
      disk.capabilities.resizing!.resizeSync(2 ** 37);
      disk.writeSync(new Uint8Array(1024).fill(2), 2 ** 37 - 1024);
    }
    directory.check('image');
    directory.run('qemu-io', '-c', `read -P 2 ${2 ** 37 - 1024} 1024`, 'image');
    {
      // Not in the genuine tool: it makes an L2 table for each part of the disk that goes.
      using disk = openIn(directory);
      disk.capabilities.resizing!.resizeSync(64 * KIBIBYTE, { shrink: true });
    }
    directory.check('image');
    const model = new Uint8Array(64 * KIBIBYTE).fill(1, 1024, 21 * KIBIBYTE);
    expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
  });
});

describe('where qemu-img takes less care', () => {
  it('what the last cluster holds behind the end never comes to light', () => {
    for (const options of [
      { cluster_size: 65_536 },
      { cluster_size: 65_536, extended_l2: true },
      { compat: '0.10', cluster_size: 65_536 },
    ]) {
      using directory = new WorkDirectory();
      directory.createQcow2('image', 1024 * KIBIBYTE, options);
      directory.run('qemu-io', '-c', 'write -P 7 0 1M', 'image');
      directory.run('qemu-img', 'snapshot', '-c', 'before', 'image');
      const resize = (sizeBytes: number) => {
        using disk = openIn(directory);
        disk.capabilities.resizing!.resizeSync(sizeBytes, { shrink: true });
      };
      if (options.compat !== undefined)
        directory.run('qemu-img', 'snapshot', '-d', 'before', 'image');
      resize(100 * KIBIBYTE);
      directory.run('qemu-img', 'resize', '-q', 'image', '1M');
      directory.check('image');
      const model = new Uint8Array(1024 * KIBIBYTE).fill(7, 0, 100 * KIBIBYTE);
      expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
      directory.run('qemu-io', '-c', 'write -P 7 0 1M', 'image');
      // Of what it leaves behind the end, nothing is to be seen either.
      directory.run('qemu-img', 'resize', '-q', '--shrink', 'image', '100k');
      resize(1024 * KIBIBYTE);
      directory.check('image');
      expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
      if (options.compat !== undefined) continue;
      directory.run('qemu-img', 'snapshot', '-a', 'before', 'image');
      expect(firstDifference(directory.contentOf('image'), model.fill(7))).toBe(-1);
    }
  });

  it('version 2 grows over a longer backing image by data', () => {
    using directory = new WorkDirectory();
    directory.write('base', BASE);
    const options = { compat: '0.10', cluster_size: 4096, ...backing() };
    directory.createQcow2('image', 100 * KIBIBYTE + 512, options);
    {
      using disk = openIn(directory);
      disk.capabilities.resizing!.resizeSync(2000 * KIBIBYTE);
    }
    directory.check('image');
    const model = new Uint8Array(2000 * KIBIBYTE);
    model.set(BASE.subarray(0, 100 * KIBIBYTE + 512));
    expect(firstDifference(directory.contentOf('image'), model)).toBe(-1);
  });
});

describe('what neither does', () => {
  it.each<[string, CreateOptions, number, Preallocation, string]>([
    ['a version 2 image with snapshots', { compat: '0.10' }, 2 ** 21, 'off', 'unsupported'],
    ['preallocation while shrinking', {}, 65_536, 'full', 'invalid-argument'],
    ['an L1 table beyond 32 MiB', { cluster_size: 512 }, 130 * 2 ** 30, 'off', 'limit'],
    ['a disk beyond any number', { cluster_size: 65_536 }, 2 ** 62, 'off', 'invalid-argument'],
  ])('%s', (_, options, sizeBytes, preallocation, code) => {
    using pair = new Pair(1024 * KIBIBYTE, options);
    if (options['compat'] !== undefined) pair.snapshot('one');
    const before = [pair.theirs, pair.ours].map((directory) => directory.read('image'));
    const flags = ['--shrink', `--preallocation=${preallocation}`];
    const size = String(sizeBytes);
    expect(() => pair.theirs.run('qemu-img', 'resize', ...flags, 'image', size)).toThrow();
    using disk = openIn(pair.ours);
    const resize = () =>
      disk.capabilities.resizing!.resizeSync(sizeBytes, { shrink: true, preallocation });
    expect(resize).toThrowError(expect.objectContaining({ code }));
    const after = [pair.theirs, pair.ours].map((directory) => directory.read('image'));
    expect(after.map((bytes, index) => firstDifference(bytes, before[index]!))).toEqual([-1, -1]);
  });
});
