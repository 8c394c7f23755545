import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { contentOf } from '../support/content.ts';
import { randomFrom } from '../support/crash-storage.ts';
import { verifyImage } from '../support/verify-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const SECTOR = 512;
const SECTORS = 64;

/** Copies the bytes of a request in pieces that end within sectors, as hosts do. */
class PiecewiseStorage extends MemoryStorage {
  readonly #random = randomFrom(3);

  async #pieces(lengthBytes: number, copy: (from: number, to: number) => void): Promise<void> {
    for (let from = 0; from < lengthBytes;) {
      for (let turns = this.#random() * 8; turns > 0; turns--) await Promise.resolve();
      const to = Math.min(lengthBytes, from + 300 + Math.floor(this.#random() * 3000));
      copy(from, to);
      from = to;
    }
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await this.#pieces(dst.length, (from, to) => {
      this.readSync(dst.subarray(from, to), offset + from);
    });
  }

  override async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    let at = offset;
    for (const buffer of buffers) {
      await this.read(buffer, at);
      at += buffer.length;
    }
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await this.#pieces(src.length, (from, to) => {
      this.writeSync(src.subarray(from, to), offset + from);
    });
  }

  override async punchHole(offset: number, lengthBytes: number): Promise<boolean> {
    await this.#pieces(lengthBytes, (from, to) => {
      this.punchHoleSync(offset + from, to - from);
    });
    return true;
  }
}

const COMBINATIONS: [name: string, options: CreateOptions][] = [
  ['small clusters', { cluster_size: 1024 }],
  ['preallocated', { cluster_size: 4096, preallocation: 'metadata' }],
  ['extended L2', { cluster_size: 16_384, extended_l2: true }],
  ['a data file', { cluster_size: 2048, data_file: 'data' }],
  ['a raw data file', { cluster_size: 2048, data_file: 'data', data_file_raw: true }],
  ['over backing', { cluster_size: 2048, backing_file: 'base', backing_fmt: 'raw' }],
];

describe('requests that overlap in time', () => {
  it.each(COMBINATIONS)('never see parts of two in one sector: %s', async (_, options) => {
    const files = new ImageFiles(new PiecewiseStorage());
    createImage(files, SECTORS * SECTOR, options);
    const data = files.others.get('data');
    if (data !== undefined) {
      const onSlowHost = new PiecewiseStorage(new Uint8Array(data.sizeBytes));
      files.others.set('data', onSlowHost);
    }
    files.others.set('base', new MemoryStorage(new Uint8Array(SECTORS * SECTOR).fill(9)));
    const disk = openWritable(files);
    const random = randomFrom(6);
    const below = (count: number) => Math.floor(random() * count);
    let torn = 0;
    const check = async (dst: Uint8Array, offset: number) => {
      await disk.read(dst, offset);
      for (let at = 0; at < dst.length; at += SECTOR) {
        const sector = dst.subarray(at, at + SECTOR);
        if (!sector.every((byte) => byte === sector[0])) torn += 1;
      }
    };
    for (let round = 0; round < 30; round++) {
      const pending: Promise<void>[] = [];
      for (let step = 0; step < 40; step++) {
        const first = below(SECTORS);
        const [offset, length] = [first * SECTOR, (1 + below(SECTORS - first)) * SECTOR];
        const kind = below(20);
        if (kind < 8) pending.push(disk.write(new Uint8Array(length).fill(1 + below(99)), offset));
        else if (kind < 10) {
          pending.push(disk.writeZeroes(offset, length, { mayUnmap: kind === 8 }));
        } else if (kind < 12) pending.push(disk.discard(offset, length));
        else if (kind < 19) pending.push(check(new Uint8Array(length), offset));
        else pending.push(disk.flush());
      }
      await Promise.all(pending);
    }
    expect(torn).toBe(0);
    await disk.close();
    expect(verifyImage(files.imageBytes)).toEqual({ errors: [], leaks: [] });
  });

  it('do not wait for a read where new space is written', async () => {
    const storage = new PiecewiseStorage();
    const files = createImage(new ImageFiles(storage), SECTORS * SECTOR, { cluster_size: 1024 });
    const disk = openWritable(files);
    const content = contentOf(1, SECTORS * SECTOR);
    await disk.write(content, 0);
    disk.capabilities.snapshots!.createSync('a');
    const found = new Uint8Array(SECTORS * SECTOR);
    await disk.read(found, 0);
    let letGo = (): void => {};
    const read = storage.read.bind(storage);
    storage.read = async (dst, offset) => {
      await new Promise<void>((resolve) => (letGo = resolve));
      await read(dst, offset);
    };
    const reading = disk.read(found, 0);
    storage.read = read;
    await disk.write(contentOf(2, 4096), 8192);
    letGo();
    await reading;
    expect(found).toEqual(content);
    await disk.close();
  });
});
