import { MemoryStorage } from '@diskfile/core';
import { exercisePartitions } from '../exercise/partitions.ts';
import { tolerate } from '../exercise/tolerate.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { mbrSeeds } from '../seeds/partition-tables.ts';

export const mbrTarget: FuzzTarget = {
  name: 'mbr',
  seeds: mbrSeeds,
  async run(bytes) {
    const disk = new MemoryStorage(bytes);
    await tolerate(() => exercisePartitions(disk, 4096));
    exercisePartitions(disk);
  },
};
