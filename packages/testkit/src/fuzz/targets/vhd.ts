import { workOnImage } from '../exercise/work-on-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { vhdParent, vhdSeeds } from '../seeds/vhd.ts';

export const vhdTarget: FuzzTarget = {
  name: 'vhd',
  seeds: vhdSeeds,
  run: (bytes, choices) =>
    workOnImage(bytes, choices, { format: 'vhd', backing: vhdParent, isChecked: false }),
};
