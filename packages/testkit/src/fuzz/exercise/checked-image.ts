/** Opens an image of a stated format that names no others, reads it, and verifies it. */
import { isDeepStrictEqual } from 'node:util';
import { closedGate } from '@diskfile/core';
import { checkDiskFile, checkDiskFileSync, openDiskFile } from 'diskfile';
import { ContractViolation } from '../fuzz-target.ts';
import { exerciseDisk } from './disk.ts';
import { UntouchableStorage } from './guarded-storage.ts';
import { tolerate } from './tolerate.ts';

const MAX_CHECKED_BYTES = 2 * 1024 * 1024;

export async function exerciseCheckedImage(
  bytes: Uint8Array,
  choices: readonly number[],
  format: string,
): Promise<void> {
  const options = { format, gate: closedGate };
  const storage = new UntouchableStorage(bytes, 'image');
  await using disk = await openDiskFile(storage, options);
  await exerciseDisk(disk, choices);
  if (disk.sizeBytes > MAX_CHECKED_BYTES) return;
  await tolerate(async () => {
    const report = checkDiskFileSync(storage, options);
    if (isDeepStrictEqual(await checkDiskFile(storage, options), report)) return;
    throw new ContractViolation('a check says something else the second time');
  });
}
