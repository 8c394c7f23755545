import { workOnImage } from '../exercise/work-on-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { parallelsSeeds } from '../seeds/parallels.ts';

export const parallelsTarget: FuzzTarget = {
  name: 'parallels',
  seeds: parallelsSeeds,
  run: (bytes, choices) =>
    workOnImage(bytes, choices, {
      format: 'parallels',
      backing: new Uint8Array(0),
      isChecked: true,
    }),
};
