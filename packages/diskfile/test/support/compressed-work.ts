/** Random work that mixes compressed writes in, and disks that are opened for it. */
import { decoders, makeEncoders } from '@diskfile/codec';
import {
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type EncoderSet,
  openChain,
  runSync,
} from '@diskfile/core';
import { hostGate, openFileStorage } from '@diskfile/storage';
import type { SeededRandom } from '@diskfile/testkit';
import { ALL_FORMATS } from '../../src/index.ts';

export type Codecs = 'native' | 'portable';

export const ENCODERS: Readonly<Record<Codecs, EncoderSet>> = {
  native: makeEncoders(),
  portable: makeEncoders({ native: false }),
};

/** Opens a qcow2 image for writing, with encoders of the caller's choice. */
export function openToCompress(path: string, encoders: EncoderSet): DiskFile {
  const storage = runSync(openFileStorage(path, { writable: true }));
  const chain = runSync(
    openChain(storage, {
      drivers: ALL_FORMATS,
      decoders: decoders(),
      gate: hostGate(),
      limits: DEFAULT_LIMITS,
      format: 'qcow2',
      snapshot: undefined,
      writable: true,
      followBacking: true,
    }),
  );
  const limits = DEFAULT_LIMITS;
  return createImageDisk(chain, { limits, encoders, opening: undefined });
}

/** Content that differs from unit to unit in how well it compresses. */
export function contentFor(random: SeededRandom, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let at = 0; at < lengthBytes;) {
    const end = Math.min(lengthBytes, at + 200 + random.below(random.pick([4000, 60_000])));
    const kind = random.below(4);
    if (kind === 1) bytes.fill(random.below(256), at, end);
    else if (kind === 2) bytes.set(random.bytes(end - at), at);
    else if (kind === 3) {
      const words = random.bytes(64);
      for (let next = at; next < end; next++) bytes[next] = words[(next * next) % 64]!;
    }
    at = end;
  }
  return bytes;
}

/** One random change of a disk, and of what it should hold. */
export async function changeRandomly(
  disk: DiskFile,
  model: Uint8Array,
  random: SeededRandom,
): Promise<void> {
  const { clusterBytes } = disk.topology;
  const clusters = Math.ceil(model.length / clusterBytes);
  const kind = random.below(10);
  if (kind < 6) {
    const first = random.below(clusters);
    const most = Math.max(1, Math.ceil(300_000 / clusterBytes));
    const range = model.subarray(
      first * clusterBytes,
      (first + 1 + random.below(most)) * clusterBytes,
    );
    range.set(contentFor(random, range.length));
    await disk.capabilities.compression!.write(range, first * clusterBytes);
    return;
  }
  const offset = random.below(model.length);
  const range = model.subarray(offset, offset + 1 + random.below(random.pick([5000, 100_000])));
  if (kind < 8) {
    range.set(contentFor(random, range.length));
    await disk.write(range, offset);
  } else if (kind === 8) {
    range.fill(0);
    await disk.writeZeroes(offset, range.length, { mayUnmap: random.below(2) === 0 });
  } else {
    await disk.discard(offset, range.length);
    await disk.read(range, offset);
  }
  if (random.below(4) === 0) await disk.flush();
}
