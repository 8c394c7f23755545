import { workOnImage } from '../exercise/work-on-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { testImages } from '../seeds/image-folder.ts';
import { qedSeeds } from '../seeds/qed.ts';

const [base] = testImages('base.qcow2', 2 ** 20);

export const qedTarget: FuzzTarget = {
  name: 'qed',
  seeds: qedSeeds,
  run: (bytes, choices) =>
    workOnImage(bytes, choices, { format: 'qed', backing: base!.bytes, isChecked: true }),
};
