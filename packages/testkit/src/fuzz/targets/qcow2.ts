import { exerciseImage } from '../exercise/open-image.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { testImages } from '../seeds/image-folder.ts';
import { qcow2Seeds } from '../seeds/qcow2.ts';

const [base] = testImages('base.qcow2', 2 ** 20);

export const qcow2Target: FuzzTarget = {
  name: 'qcow2',
  seeds: qcow2Seeds,
  run: (bytes, choices) => exerciseImage(bytes, choices, { format: 'qcow2', backing: base!.bytes }),
};
