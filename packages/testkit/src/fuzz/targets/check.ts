/** Checks mutated images; nothing may be written, and both forms have to agree. */
import { isDeepStrictEqual } from 'node:util';
import { checkDiskFile, checkDiskFileSync } from 'diskfile';
import { UntouchableStorage } from '../exercise/guarded-storage.ts';
import { writingGate } from '../exercise/writing-gate.ts';
import { ContractViolation, type FuzzTarget } from '../fuzz-target.ts';
import { testImages } from '../seeds/image-folder.ts';
import { checkableQcow2Seeds } from '../seeds/worked-qcow2.ts';

const [base] = testImages('base.qcow2', 2 ** 20);

export const checkTarget: FuzzTarget = {
  name: 'check',
  seeds: checkableQcow2Seeds,
  async run(bytes) {
    const storage = new UntouchableStorage(bytes, 'image');
    for (const asQemu of [false, true]) {
      const options = { format: 'qcow2', gate: writingGate(base!.bytes, 0), asQemu };
      const report = checkDiskFileSync(storage, options);
      JSON.stringify(report);
      if (!isDeepStrictEqual(await checkDiskFile(storage, options), report)) {
        throw new ContractViolation('a check says something else the second time');
      }
    }
  },
};
