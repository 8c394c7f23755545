/** Repairs mutated images; what is left has to be what the repair says is left. */
import { type CheckReport, MemoryStorage, type RepairMode } from '@diskfile/core';
import { checkDiskFile } from 'diskfile';
import { readLayout } from '../../verify/qcow2-layout.ts';
import { verifyQcow2 } from '../../verify/verify-qcow2.ts';
import { SmallHostStorage } from '../exercise/guarded-storage.ts';
import { tolerate } from '../exercise/tolerate.ts';
import { writingGate } from '../exercise/writing-gate.ts';
import { ContractViolation, type FuzzTarget } from '../fuzz-target.ts';
import { testImages } from '../seeds/image-folder.ts';
import { checkableQcow2Seeds } from '../seeds/worked-qcow2.ts';

/** Space that the host has beyond the image: rebuilt refcounts take some. */
const ROOM_BYTES = 16 * 1024 * 1024;
const MAX_L1_ENTRIES = 500;
const [base] = testImages('base.qcow2', 2 ** 20);

export const repairTarget: FuzzTarget = {
  name: 'repair',
  // A repair looks at everything again after each of its steps; here two of them and a check.
  maxGrowthBytes: 640 * 1024 * 1024,
  seeds: checkableQcow2Seeds,
  async run(bytes, choices) {
    const modes: RepairMode[] = choices[0]! < 0.3 ? ['leaks', 'all'] : ['all'];
    if (choices[1]! < 0.3) return await repairAsQemu(bytes, modes);
    const storage = new SmallHostStorage(bytes.slice(), bytes.length + ROOM_BYTES);
    for (const repair of modes) {
      const options = { format: 'qcow2', gate: writingGate(base!.bytes, 0) };
      const report = await checkDiskFile(storage, { ...options, repair });
      const again = await tolerate(() => checkDiskFile(new MemoryStorage(storage.bytes), options));
      if (again === undefined) throw new ContractViolation('what was repaired cannot be checked');
      if (counts(again) !== counts(report)) {
        throw new ContractViolation(
          `after a repair of ${repair} there are ${counts(again)}, not ${counts(report)}`,
        );
      }
      if (isClean(again)) expectSound(storage.bytes);
    }
  },
};

/** It leaves what QEMU leaves, which need not be an image in order. */
async function repairAsQemu(bytes: Uint8Array, modes: readonly RepairMode[]): Promise<void> {
  const storage = new SmallHostStorage(bytes.slice(), bytes.length + ROOM_BYTES);
  const options = { format: 'qcow2', gate: writingGate(base!.bytes, 0), asQemu: true };
  for (const repair of modes) await checkDiskFile(storage, { ...options, repair });
}

/** What a repair calls a corruption may keep a mere check off. */
function counts({ checkErrors, corruptions, leaks }: CheckReport): string {
  return `${corruptions + checkErrors} errors, ${leaks} leaks`;
}

function isClean({ checkErrors, corruptions, leaks }: CheckReport): boolean {
  return checkErrors + corruptions + leaks === 0;
}

/**
 * Clusters may be used for two things, when they are counted twice: a write then copies them. Only
 * a count that is too low loses data.
 */
function expectSound(image: Uint8Array): void {
  const low = errorsOf(image).filter((error) => error.includes(' is counted '));
  if (low.length === 0) return;
  throw new ContractViolation(`a repaired image is not sound: ${low.join('; ')}`);
}

/** None for an image that the verifier does not understand, or would take long to walk. */
function errorsOf(image: Uint8Array): readonly string[] {
  try {
    if (readLayout(image).l1.entries > MAX_L1_ENTRIES) return [];
    return verifyQcow2(image).errors;
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}
