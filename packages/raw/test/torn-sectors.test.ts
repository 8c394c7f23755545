import { describe, expect, it } from 'vitest';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  MemoryStorage,
  noDecoders,
  openChain,
  runSync,
} from '@diskfile/core';
import { rawDriver } from '../src/index.ts';

const SECTORS = 12;
const SECTOR = 512;

/** Copies the bytes of a request in pieces that end within sectors, as hosts do. */
class PiecewiseStorage extends MemoryStorage {
  #turns = 0;

  async #pieces(lengthBytes: number, copy: (from: number, to: number) => void): Promise<void> {
    for (let from = 0; from < lengthBytes;) {
      this.#turns = (this.#turns * 5 + 3) % 16;
      for (let turn = 0; turn <= this.#turns; turn++) await Promise.resolve();
      const to = Math.min(lengthBytes, from + 100 + this.#turns * 20);
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
    await this.#pieces(lengthBytes, (from, to) => this.bytes.fill(0, offset + from, offset + to));
    return true;
  }

  override async truncate(sizeBytes: number): Promise<void> {
    await this.#pieces(Math.max(0, this.sizeBytes - sizeBytes), (from, to) => {
      this.bytes.fill(0, sizeBytes + from, sizeBytes + to);
    });
    this.truncateSync(sizeBytes);
  }
}

function openWritable(storage: MemoryStorage) {
  const chain = runSync(
    openChain(storage, {
      drivers: [rawDriver],
      decoders: noDecoders,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'raw',
      snapshot: undefined,
      writable: true,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

describe('requests that overlap in time', () => {
  it('never see parts of two writes in one sector', async () => {
    const disk = openWritable(new PiecewiseStorage(new Uint8Array(SECTORS * SECTOR).fill(1)));
    const clone = disk.tryClone();
    let state = 1;
    const below = (count: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * count);
    };
    const seen = new Set<number>();
    for (let round = 0; round < 60; round++) {
      const pending: Promise<unknown>[] = [];
      for (let step = 0; step < 64; step++) {
        const handle = below(2) === 0 ? disk : clone;
        const first = below(SECTORS);
        const count = 1 + below(SECTORS - first);
        const [offset, length] = [first * SECTOR, count * SECTOR];
        const kind = below(10);
        const dst = new Uint8Array(length).fill(0xee);
        if (kind < 4) pending.push(handle.write(dst.fill(1 + below(100)), offset));
        else if (kind < 5) pending.push(handle.writeZeroes(offset, length));
        else if (kind < 6) pending.push(handle.discard(offset, length));
        else if (kind < 9) pending.push(handle.read(dst, offset).then(() => dst));
        else {
          const operations = [
            { op: 'read', guestOffset: offset, buffer: dst.subarray(0, SECTOR) } as const,
            { op: 'write', guestOffset: offset, buffer: new Uint8Array(SECTOR).fill(7) } as const,
            { op: 'read', guestOffset: offset, buffer: dst.subarray(SECTOR) } as const,
          ];
          pending.push(handle.submitBatch(operations).then(() => dst));
        }
      }
      for (const dst of await Promise.all(pending)) {
        if (!(dst instanceof Uint8Array)) continue;
        for (let at = 0; at < dst.length; at += SECTOR) {
          const sector = dst.subarray(at, at + SECTOR);
          expect(sector.every((byte) => byte === sector[0])).toBe(true);
          expect(sector[0]).not.toBe(0xee);
          seen.add(sector[0]!);
        }
      }
    }
    expect(seen.size).toBeGreaterThan(50);
  });

  it('see what a shrinking disk held, or nothing', async () => {
    for (let round = 0; round < 20; round++) {
      const storage = new PiecewiseStorage(new Uint8Array(SECTORS * SECTOR).fill(1));
      const disk = openWritable(storage);
      const reads = Array.from({ length: SECTORS }, () => new Uint8Array(SECTOR).fill(0xee));
      await Promise.all([
        ...reads.slice(0, SECTORS / 2).map((dst, index) => disk.read(dst, index * 2 * SECTOR)),
        disk.capabilities.resizing!.resize(2 * SECTOR, { shrink: true }),
      ]);
      const values = reads.slice(0, SECTORS / 2).map((dst) => [...new Set(dst)]);
      expect(values.every((each) => each.length === 1 && each[0] !== 0xee)).toBe(true);
      expect(storage.sizeBytes).toBe(2 * SECTOR);
    }
  });

  it('cannot be synchronous while the same bytes change', async () => {
    const disk = openWritable(new PiecewiseStorage(new Uint8Array(SECTORS * SECTOR).fill(1)));
    const writing = disk.write(new Uint8Array(SECTOR).fill(2), SECTOR);
    const dst = new Uint8Array(SECTOR);
    disk.readSync(dst, 0);
    expect(() => disk.readSync(dst, SECTOR)).toThrowError(
      expect.objectContaining({ code: 'busy', detail: 'disk.async-request-pending' }),
    );
    await writing;
    disk.readSync(dst, SECTOR);
    expect(dst[0]).toBe(2);
    const reading = disk.read(dst, SECTOR);
    expect(() => disk.writeSync(new Uint8Array(SECTOR), SECTOR)).toThrowError(
      expect.objectContaining({ code: 'busy' }),
    );
    disk.writeSync(new Uint8Array(SECTOR), 2 * SECTOR);
    await reading;
    disk.writeSync(new Uint8Array(SECTOR), SECTOR);
  });
});
