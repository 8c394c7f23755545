/** Whatever an image calls its parent, a gate that allows nothing lets nothing through. */
import { hostGate, openDiskFile } from 'diskfile';
import { ContractViolation } from '../fuzz-target.ts';
import { UntouchableStorage } from './guarded-storage.ts';
import { tolerate } from './tolerate.ts';

export async function expectGateRefuses(bytes: Uint8Array, format: string): Promise<void> {
  await tolerate(async () => {
    const storage = new UntouchableStorage(bytes, 'image');
    await using disk = await openDiskFile(storage, { format, gate: hostGate() });
    if (disk.info().length === 1) return;
    throw new ContractViolation('a file of the host has been opened as the parent');
  });
}
