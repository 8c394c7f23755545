/** Opens an image in memory by a stated format, reads it, and its snapshots too. */
import { MemoryStorage } from '@diskfile/core';
import { openDiskFile } from 'diskfile';
import { exerciseDisk } from './disk.ts';
import { memoryGate } from './memory-gate.ts';
import { tolerate } from './tolerate.ts';

const MAX_SNAPSHOTS = 3;

export interface OpenImageOptions {
  readonly format: string;
  /** What the names of backing images lead to. */
  readonly backing: Uint8Array;
}

export async function exerciseImage(
  bytes: Uint8Array,
  choices: readonly number[],
  { format, backing }: OpenImageOptions,
): Promise<void> {
  const open = (snapshot?: string) =>
    openDiskFile(new MemoryStorage(bytes), {
      format,
      gate: memoryGate(backing),
      ...(snapshot === undefined ? {} : { snapshot }),
    });
  const disk = await open();
  try {
    await exerciseDisk(disk, choices);
    for (const { id } of (disk.capabilities.snapshots?.list() ?? []).slice(0, MAX_SNAPSHOTS)) {
      await tolerate(async () => {
        const older = await open(id);
        await exerciseDisk(older, choices.slice(0, 4));
        await older.close();
      });
    }
  } finally {
    await disk.close();
  }
}
