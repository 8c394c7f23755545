/** Does everything to a disk that changes it, within bounds; each may be refused. */
import type { DiskFile } from '@diskfile/core';
import { noise } from '../../model/noise.ts';
import { Random } from '../../storage/random.ts';
import { Budget } from './budget.ts';
import { tolerate } from './tolerate.ts';

const OPERATIONS = 14;
const BUDGET_MS = 900;
const MAX_BYTES = 150_000;
const MAX_COMPRESSED_BYTES = 64 * 1024;
/** Resizing a disk of any size stays near it. */
const MAX_GROWTH_BYTES = 4 * 1024 * 1024;
const NAMES = 3;

type Change = (disk: DiskFile, random: Random) => void | Promise<void>;

const CHANGES: readonly Change[] = [
  (disk, random) => {
    const { guestOffset, lengthBytes } = anyRange(disk, random);
    disk.writeSync(noise(random.below(99), lengthBytes), guestOffset);
  },
  async (disk, random) => {
    const ranges = Array.from({ length: 6 }, () => anyRange(disk, random));
    await Promise.all(
      ranges.map(({ guestOffset, lengthBytes }) =>
        tolerate(() => disk.write(noise(5, lengthBytes), guestOffset)),
      ),
    );
  },
  (disk, random) => {
    const { guestOffset, lengthBytes } = anyRange(disk, random);
    disk.writeZeroesSync(guestOffset, lengthBytes, { mayUnmap: random.below(2) === 0 });
  },
  (disk, random) => {
    const { guestOffset, lengthBytes } = anyRange(disk, random);
    disk.discardSync(guestOffset, lengthBytes);
  },
  (disk) => disk.flushSync(),
  (disk, random) => {
    const { compression } = disk.capabilities;
    if (compression === undefined || compression.unitBytes > MAX_COMPRESSED_BYTES) return;
    const units = Math.floor(disk.sizeBytes / compression.unitBytes);
    if (units === 0) return;
    const guestOffset = random.below(units) * compression.unitBytes;
    compression.writeSync(noise(7, compression.unitBytes), guestOffset, { level: 1 });
  },
  (disk, random) => {
    const change = random.below(MAX_GROWTH_BYTES) - MAX_GROWTH_BYTES / 2;
    const sizeBytes = Math.max(0, disk.sizeBytes + change);
    disk.capabilities.resizing?.resizeSync(sizeBytes, { shrink: true });
  },
  (disk, random) => void disk.capabilities.snapshots?.createSync(anyName(random)),
  (disk, random) => disk.capabilities.snapshots?.applySync(anySnapshot(disk, random)),
  (disk, random) => disk.capabilities.snapshots?.deleteSync(anySnapshot(disk, random)),
  (disk, random) => disk.capabilities.bitmaps?.createSync(anyName(random)),
  (disk, random) => {
    const { bitmaps } = disk.capabilities;
    const name = bitmaps?.list()[0]?.name ?? anyName(random);
    const changes = ['enableSync', 'disableSync', 'clearSync', 'removeSync'] as const;
    bitmaps?.[changes[random.below(changes.length)]!](name);
  },
  (disk, random) => {
    const { bitmaps } = disk.capabilities;
    const names = (bitmaps?.list() ?? []).map(({ name }) => name);
    bitmaps?.mergeSync(names[0] ?? anyName(random), names.slice(1, 3));
  },
  (disk, random) => {
    const compat = random.below(2) === 0 ? '0.10' : '1.1';
    const options = random.below(2) === 0 ? { compat } : { lazy_refcounts: compat === '1.1' };
    disk.capabilities.amending?.amendSync(options);
  },
  (disk) => disk.capabilities.backing?.dropContentSync(),
];
/** Writing comes more often than all else. */
const WEIGHTS = [10, 2, 4, 4, 3, 3, 2, 2, 1, 1, 2, 2, 1, 1, 1];
const ALL = CHANGES.flatMap((change, index) => Array<Change>(WEIGHTS[index]!).fill(change));

export async function exerciseWriting(disk: DiskFile, seed: number): Promise<void> {
  const random = new Random(seed);
  const budget = new Budget(BUDGET_MS);
  const clone = disk.tryClone();
  for (let count = 0; count < OPERATIONS && !budget.isSpent; count++) {
    const handle = random.below(3) === 0 ? clone : disk;
    const change = ALL[random.below(ALL.length)]!;
    await tolerate(() => change(handle, random));
  }
  await clone.close();
}

function anyRange(
  { sizeBytes }: DiskFile,
  random: Random,
): { guestOffset: number; lengthBytes: number } {
  // The start of the disk, where the seeds have their data, more often than the rest.
  const reach = random.below(2) === 0 ? sizeBytes : Math.min(sizeBytes, 2 ** 20);
  const guestOffset = random.below(Math.max(1, reach));
  const wanted = 1 + random.below(random.below(3) === 0 ? MAX_BYTES : 4000);
  return { guestOffset, lengthBytes: Math.min(wanted, sizeBytes - guestOffset) };
}

function anyName(random: Random): string {
  return `n${random.below(NAMES)}`;
}

function anySnapshot({ capabilities }: DiskFile, random: Random): string {
  const list = capabilities.snapshots?.list() ?? [];
  return list.length === 0 ? anyName(random) : list[random.below(list.length)]!.id;
}
