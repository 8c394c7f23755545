import { expectGateRefuses } from '../exercise/foreign-names.ts';
import { workOnImage } from '../exercise/work-on-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { vdiParent, vdiSeeds } from '../seeds/vdi.ts';

const format = 'vdi';

export const vdiTarget: FuzzTarget = {
  name: format,
  seeds: vdiSeeds,
  async run(bytes, choices) {
    await expectGateRefuses(bytes, format);
    await workOnImage(bytes, choices, { format, backing: vdiParent, isChecked: true });
  },
};
