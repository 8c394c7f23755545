/** VHDX disks. Blocks have 1 MiB at least, so none of them is small. */
import { noise } from '../model/noise.ts';
import { verifyVhdx } from '../verify/verify-vhdx.ts';
import { FormatSubject, type FormatSubjectOptions } from './format-subject.ts';
import type { Subject } from './subject.ts';

const MIB = 1024 * 1024;
const SECTOR = 512;

type Varied = Omit<FormatSubjectOptions, 'format' | 'verify' | 'name'>;

function subject(name: string, given: Varied): Subject {
  return new FormatSubject({
    name: `vhdx ${name}`,
    format: 'vhdx',
    verify: (files) => verifyVhdx(files.bytes()),
    ...given,
  });
}

export function vhdxSubjects(): Subject[] {
  const sizeBytes = 3 * MIB + 7 * SECTOR;
  const options = { block_size: MIB };
  const dynamic = { sizeBytes, clusterBytes: MIB, options };
  return [
    subject('dynamic', dynamic),
    subject('dynamic with blocks of 2 MiB that are not there', {
      sizeBytes: 4 * MIB + SECTOR,
      clusterBytes: 2 * MIB,
      options: { block_size: 2 * MIB, block_state_zero: false, log_size: 2 * MIB },
    }),
    subject('differencing', {
      ...dynamic,
      backing: noise(13, sizeBytes),
      backingImage: { format: 'vhdx', options },
    }),
    subject('fixed', {
      sizeBytes: 2 * MIB,
      clusterBytes: MIB,
      options: { ...options, subformat: 'fixed' },
    }),
  ];
}
