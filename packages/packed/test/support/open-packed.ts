/** Opens packed files that are in memory. */
import { makeDecoders } from '@diskfile/codec';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type Limits,
  MemoryStorage,
  openChain,
  runSync,
} from '@diskfile/core';
import { rawDriver } from '@diskfile/raw';
import { expect } from 'vitest';
import { gzipDriver, lz4Driver, xzDriver, zstdDriver } from '../../src/index.ts';

const drivers = [gzipDriver, lz4Driver, xzDriver, zstdDriver, rawDriver];

export const native = makeDecoders();
export const portable = makeDecoders({ native: false });

export interface Opening {
  readonly limits?: Partial<Limits>;
  readonly decoders?: typeof native;
  readonly format?: string;
}

export function open(bytes: Uint8Array, opening: Opening = {}): DiskFile {
  const limits = { ...DEFAULT_LIMITS, ...opening.limits };
  const chain = runSync(
    openChain(new MemoryStorage(bytes, 'disk.packed'), {
      drivers,
      decoders: opening.decoders ?? native,
      gate: closedGate,
      limits,
      format: opening.format,
      snapshot: undefined,
      writable: false,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits, opening: undefined });
}

/** The content, as it is read in several ways. */
export async function expectContent(disk: DiskFile, content: Uint8Array): Promise<void> {
  expect(disk.sizeBytes).toBe(content.length);
  const whole = Buffer.alloc(content.length);
  disk.readSync(whole, 0);
  expect(whole.equals(content)).toBe(true);
  await disk.read(whole.fill(1), 0);
  expect(whole.equals(content)).toBe(true);
  const reads: Promise<void>[] = [];
  for (let index = 0; index < 14; index++) {
    const at = Math.floor((Math.imul(index + 1, 0x9e37_79b1) >>> 0) % content.length);
    const part = Buffer.alloc(Math.min(1 + ((index * 997) % 70_000), content.length - at));
    const expected = content.subarray(at, at + part.length);
    if (index % 2 === 0) {
      disk.readSync(part, at);
      expect(part.equals(expected)).toBe(true);
    } else {
      reads.push(disk.read(part, at).then(() => expect(part.equals(expected)).toBe(true)));
    }
  }
  await Promise.all(reads);
  const statuses = [...disk.blockStatusSync()];
  expect(
    statuses.every(({ compressed, hostOffset }) => compressed && hostOffset === undefined),
  ).toBe(true);
  expect(statuses.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)).toBe(content.length);
}
