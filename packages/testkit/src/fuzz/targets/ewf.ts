/** Opens, reads and verifies EWF images; the second segment is always the same. */
import { isDeepStrictEqual } from 'node:util';
import { MemoryStorage, type OpenGate } from '@diskfile/core';
import { checkDiskFile, checkDiskFileSync, openDiskFile } from 'diskfile';
import { exerciseDisk } from '../exercise/disk.ts';
import { UntouchableStorage } from '../exercise/guarded-storage.ts';
import { tolerate } from '../exercise/tolerate.ts';
import { ContractViolation, type FuzzTarget } from '../fuzz-target.ts';
import { ewfSeeds, SECOND_SEGMENT } from '../seeds/ewf.ts';

const MAX_CHECKED_BYTES = 2 * 1024 * 1024;

const gate: OpenGate = {
  *open({ file }) {
    return new MemoryStorage(SECOND_SEGMENT, file.filename);
  },
};

export const ewfTarget: FuzzTarget = {
  name: 'ewf',
  seeds: ewfSeeds,
  async run(bytes, choices) {
    const options = { format: 'ewf', gate };
    const storage = new UntouchableStorage(bytes, 'disk.E01');
    await using disk = await openDiskFile(storage, options);
    await exerciseDisk(disk, choices);
    if (disk.sizeBytes > MAX_CHECKED_BYTES) return;
    await tolerate(async () => {
      const report = checkDiskFileSync(storage, options);
      if (isDeepStrictEqual(await checkDiskFile(storage, options), report)) return;
      throw new ContractViolation('a check says something else the second time');
    });
  },
};
