import { MemoryStorage } from '@diskfile/core';
import { openDiskFile, openFileSystem } from 'diskfile';
import { exerciseFileSystem } from '../exercise/file-system.ts';
import { tolerate } from '../exercise/tolerate.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { ext4Seeds } from '../seeds/ext4.ts';

export const ext4Target: FuzzTarget = {
  name: 'ext4',
  seeds: ext4Seeds,
  async run(bytes, choices) {
    await using disk = await openDiskFile(new MemoryStorage(bytes), { format: 'raw' });
    await tolerate(async () => {
      await using strict = await openFileSystem(disk, { strict: true });
      await exerciseFileSystem(strict, choices);
    });
    await using fs = await openFileSystem(disk);
    await exerciseFileSystem(fs, choices);
  },
};
