import { expectGateRefuses } from '../exercise/foreign-names.ts';
import { workOnImage } from '../exercise/work-on-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { vhdxParent, vhdxSeeds } from '../seeds/vhdx.ts';

const format = 'vhdx';

export const vhdxTarget: FuzzTarget = {
  name: format,
  seeds: vhdxSeeds,
  async run(bytes, choices) {
    await expectGateRefuses(bytes, format);
    await workOnImage(bytes, choices, { format, backing: vhdxParent(), isChecked: true });
  },
};
