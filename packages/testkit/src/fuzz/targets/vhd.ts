import { expectGateRefuses } from '../exercise/foreign-names.ts';
import { workOnImage } from '../exercise/work-on-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { vhdParent, vhdSeeds } from '../seeds/vhd.ts';

const format = 'vhd';

export const vhdTarget: FuzzTarget = {
  name: format,
  seeds: vhdSeeds,
  async run(bytes, choices) {
    await expectGateRefuses(bytes, format);
    await workOnImage(bytes, choices, { format, backing: vhdParent, isChecked: false });
  },
};
