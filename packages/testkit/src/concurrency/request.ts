/** Requests that are made without waiting for those before them. */
import type { DiskFile } from '@diskfile/core';
import type { DiskModel, GuestWindow } from '../model/disk-model.ts';
import { SECTOR_BYTES } from '../model/mismatch.ts';
import { noise } from '../model/noise.ts';
import type { Random } from '../storage/random.ts';

export interface Request {
  readonly text: string;
  /** Where it changes content. */
  readonly windows: readonly GuestWindow[];
  start(disk: DiskFile): Promise<unknown>;
  /** What it does to the model, at its place in the order, part after part. */
  readonly changes: readonly ((model: DiskModel) => void)[];
}

/** @param sizeBytes of the disk as it is now: requests before this one may still enlarge it */
type MakeRequest = (model: DiskModel, random: Random, sizeBytes: number) => Request;

const MAX_BYTES = 9000;
const MAX_COMPRESSED_UNITS = 3;
const MAX_GROWTH_SECTORS = 20;

const write: MakeRequest = (_, random, sizeBytes) => {
  const { guestOffset, lengthBytes } = anyWindow(sizeBytes, random);
  const bytes = noise(random.below(400), lengthBytes);
  return {
    text: `write ${guestOffset} ${lengthBytes}`,
    windows: [{ guestOffset, lengthBytes }],
    start: (disk) => disk.write(bytes, guestOffset),
    changes: [(now) => now.write(guestOffset, bytes)],
  };
};

const writeZeroes: MakeRequest = (_, random, sizeBytes) => {
  const window = anyWindow(sizeBytes, random);
  const mayUnmap = random.below(2) === 0;
  return {
    text: `zero ${window.guestOffset} ${window.lengthBytes}`,
    windows: [window],
    start: (disk) => disk.writeZeroes(window.guestOffset, window.lengthBytes, { mayUnmap }),
    changes: [(now) => now.zero(window)],
  };
};

const batch: MakeRequest = (_, random, sizeBytes) => {
  const parts = Array.from({ length: 1 + random.below(4) }, () => {
    const window = anyWindow(sizeBytes, random);
    return { window, bytes: noise(random.below(400), window.lengthBytes) };
  });
  const operations = parts.map(({ window, bytes }) => ({
    op: 'write' as const,
    guestOffset: window.guestOffset,
    buffer: bytes,
  }));
  return {
    text: `batch of ${parts.length}`,
    windows: parts.map(({ window }) => window),
    start: async (disk) => {
      for (const { error } of await disk.submitBatch(operations)) if (error) throw error;
    },
    changes: parts.map(
      ({ window, bytes }) =>
        (now: DiskModel) =>
          now.write(window.guestOffset, bytes),
    ),
  };
};

const flush: MakeRequest = () => ({
  text: 'flush',
  windows: [],
  start: (disk) => disk.flush(),
  changes: [],
});

const compressedWrite: MakeRequest = ({ traits }, random, sizeBytes) => {
  const { clusterBytes } = traits;
  const clusters = Math.floor(sizeBytes / clusterBytes);
  const first = random.below(clusters);
  const guestOffset = first * clusterBytes;
  const count = Math.min(1 + random.below(MAX_COMPRESSED_UNITS), clusters - first);
  const bytes = noise(random.below(400), count * clusterBytes);
  return {
    text: `compress ${guestOffset} ${bytes.length}`,
    windows: [{ guestOffset, lengthBytes: bytes.length }],
    start: (disk) => disk.capabilities.compression!.write(bytes, guestOffset, { level: 1 }),
    changes: [(now) => now.write(guestOffset, bytes)],
  };
};

/** Only ever larger: requests that were made before know of no smaller size. */
const grow: MakeRequest = (model, random) => {
  const sizeBytes = model.sizeBytes + random.below(MAX_GROWTH_SECTORS) * SECTOR_BYTES;
  return {
    text: `resize ${sizeBytes}`,
    windows: [],
    start: (disk) => disk.capabilities.resizing!.resize(sizeBytes),
    changes: [(now) => now.resize(sizeBytes)],
  };
};

const changeSnapshots: MakeRequest = ({ snapshots }, random) => {
  const first = snapshots[0];
  if (first !== undefined && snapshots.length === 3) {
    return {
      text: `delete ${first.name}`,
      windows: [],
      start: (disk) => disk.capabilities.snapshots!.delete(first.name),
      changes: [
        (now) => {
          now.snapshots = now.snapshots.filter(({ name }) => name !== first.name);
        },
      ],
    };
  }
  const name = `s${random.below(1_000_000)}`;
  return {
    text: `snapshot ${name}`,
    windows: [],
    start: (disk) => disk.capabilities.snapshots!.create(name),
    changes: [
      (now) => {
        now.snapshots = [...now.snapshots, { name, content: now.content.slice() }];
      },
    ],
  };
};

function anyWindow(sizeBytes: number, random: Random): GuestWindow {
  const guestOffset = random.below(sizeBytes);
  const lengthBytes = Math.min(1 + random.below(MAX_BYTES), sizeBytes - guestOffset);
  return { guestOffset, lengthBytes };
}

/** Any request that the disk can do. The model is that after all requests before it. */
export const anyRequest: MakeRequest = (model, random, sizeBytes) => {
  const { canCompress, canSnapshot, canResize } = model.traits;
  const chance = random.below(100);
  if (chance < 45) return write(model, random, sizeBytes);
  if (chance < 60) return writeZeroes(model, random, sizeBytes);
  if (chance < 72) return batch(model, random, sizeBytes);
  if (chance < 80) return flush(model, random, sizeBytes);
  if (chance < 92 && canCompress) return compressedWrite(model, random, sizeBytes);
  if (chance < 96 && canSnapshot && model.maxSnapshots >= 3)
    return changeSnapshots(model, random, sizeBytes);
  if (chance < 99 && canResize && model.snapshots.length === 0)
    return grow(model, random, sizeBytes);
  return write(model, random, sizeBytes);
};
