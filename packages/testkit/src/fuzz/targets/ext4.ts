import { MemoryStorage } from '@diskfile/core';
import { openDiskFile, openFileSystem } from 'diskfile';
import { exerciseFileSystem } from '../exercise/file-system.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { ext4Seeds } from '../seeds/ext4.ts';

/** Most inputs go on after a checksum that does not fit, as users do. */
const STRICT_SHARE = 0.25;

export const ext4Target: FuzzTarget = {
  name: 'ext4',
  seeds: ext4Seeds,
  async run(bytes, choices) {
    await using disk = await openDiskFile(new MemoryStorage(bytes), { format: 'raw' });
    const strict = choices.at(-1)! < STRICT_SHARE;
    await using fs = await openFileSystem(disk, { strict });
    await exerciseFileSystem(fs, choices);
  },
};
