import { describe, it } from 'vitest';
import type { DiskFile } from '@diskfile/core';
import { COMBINATIONS, compare, edit, KIBIBYTE, SIZE } from '../support/bitmap-interop.ts';
import { contentOf } from '../support/content.ts';
import { randomFrom } from '../support/crash-storage.ts';
import { WorkDirectory } from '../support/qemu.ts';

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
