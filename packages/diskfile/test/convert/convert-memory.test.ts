/** That a conversion holds no more at a time, however large the disk is. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { convertDiskFile, openDiskFile, type Storage } from '../../dist/index.js';

const MIB = 1024 * 1024;
/** Six jobs of 4 MiB are under way in place. */
const MOST_IN_FLIGHT_BYTES = 24 * MIB;
/** Those, what becomes of them when they are compressed, and tables. */
const MOST_BUFFER_BYTES = 48 * MIB;

const directory = mkdtempSync(join(tmpdir(), 'diskfile-convert-memory-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A file of any size that is nowhere, and remembers what is asked of it at a time. */
class EndlessStorage implements Storage {
  readonly name = 'endless';
  readonly synchronous = false;
  readonly identity = undefined;
  readonly requestAlignment = 1;
  readBytes = 0;
  mostInFlightBytes = 0;
  mostBufferBytes = 0;
  readonly sizeBytes: number;
  readonly #content: number;
  readonly #buffersBefore = process.memoryUsage().arrayBuffers;
  #inFlightBytes = 0;

  constructor(sizeBytes: number, content: number) {
    this.sizeBytes = sizeBytes;
    this.#content = content;
  }

  async read(dst: Uint8Array): Promise<void> {
    this.#inFlightBytes += dst.length;
    this.mostInFlightBytes = Math.max(this.mostInFlightBytes, this.#inFlightBytes);
    await setImmediate();
    dst.fill(this.#content);
    this.readBytes += dst.length;
    this.#inFlightBytes -= dst.length;
    const { arrayBuffers } = process.memoryUsage();
    this.mostBufferBytes = Math.max(this.mostBufferBytes, arrayBuffers - this.#buffersBefore);
  }

  async readv(buffers: readonly Uint8Array[]): Promise<void> {
    for (const buffer of buffers) await this.read(buffer);
  }

  readSync(): never {
    throw new Error('assertion failed: there is no synchronous form');
  }

  readvSync(): never {
    return this.readSync();
  }

  allocatedBytes(): number {
    return this.sizeBytes;
  }

  closeSync(): void {}

  async close(): Promise<void> {}
}

it.each([
  ['zeros, of which nothing is stored', 1024 * MIB, 0, { format: 'raw' }],
  ['data', 96 * MIB, 7, { format: 'raw' }],
  ['data that is compressed', 96 * MIB, 7, { format: 'qcow2', compress: true }],
])('holds a few jobs at a time of %s', async (_, sizeBytes, content, options) => {
  const storage = new EndlessStorage(sizeBytes, content);
  const target = join(directory, 'target');
  await using disk = await openDiskFile(storage, { format: 'raw' });
  await convertDiskFile(disk, target, { ...options, overwrite: true });
  expect(storage.readBytes).toBeGreaterThanOrEqual(sizeBytes);
  expect(storage.mostInFlightBytes).toBeLessThanOrEqual(MOST_IN_FLIGHT_BYTES);
  expect(storage.mostBufferBytes).toBeLessThanOrEqual(MOST_BUFFER_BYTES);
  expect(statSync(target).size).toBeGreaterThan(0);
});
