import { exerciseCheckedImage } from '../exercise/checked-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { dmgSeeds } from '../seeds/dmg.ts';

export const dmgTarget: FuzzTarget = {
  name: 'dmg',
  seeds: dmgSeeds,
  run: (bytes, choices) => exerciseCheckedImage(bytes, choices, 'dmg'),
};
