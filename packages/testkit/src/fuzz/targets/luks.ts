/** Opens mutated LUKS disks with their passphrase, reads and writes them. */
import { MemoryStorage } from '@diskfile/core';
import { openDiskFile } from 'diskfile';
import { exerciseDisk } from '../exercise/disk.ts';
import { SmallHostStorage } from '../exercise/guarded-storage.ts';
import { tolerate } from '../exercise/tolerate.ts';
import { exerciseWriting } from '../exercise/write-disk.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { LUKS_PASSPHRASE, luksSeeds } from '../seeds/luks.ts';

/** Space that the host has beyond the image. */
const ROOM_BYTES = 1024 * 1024;

const LIMITS = { maxKeyIterations: 200_000 };

export const luksTarget: FuzzTarget = {
  name: 'luks',
  seeds: luksSeeds,
  async run(bytes, choices) {
    const locked = await openDiskFile(new MemoryStorage(bytes), { format: 'luks', limits: LIMITS });
    locked.info();
    await locked.close();
    // Whatever hits the key material of the one slot in use makes another key of it.
    await tolerate(() => exerciseUnlocked(bytes, choices));
  },
};

async function exerciseUnlocked(bytes: Uint8Array, choices: readonly number[]): Promise<void> {
  const options = { format: 'luks', passphrase: LUKS_PASSPHRASE, limits: LIMITS };
  const disk = await openDiskFile(new MemoryStorage(bytes), options);
  await exerciseDisk(disk, choices.slice(0, 4));
  await disk.close();
  const storage = new SmallHostStorage(bytes.slice(), bytes.length + ROOM_BYTES);
  const writable = await openDiskFile(storage, { ...options, readOnly: false });
  await exerciseWriting(writable, Math.floor(choices[0]! * 2 ** 32));
  await tolerate(() => writable.close());
}
