import { workOnImage } from '../exercise/work-on-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { testImages } from '../seeds/image-folder.ts';
import { qcowSeeds } from '../seeds/qcow.ts';

const [base] = testImages('base.qcow2', 2 ** 20);

export const qcowTarget: FuzzTarget = {
  name: 'qcow',
  seeds: qcowSeeds,
  run: (bytes, choices) =>
    workOnImage(bytes, choices, { format: 'qcow', backing: base!.bytes, isChecked: false }),
};
