/** VHD disks of every type: as the driver lays them out, and with small blocks. */
import { buildSmallVhd } from '../builders/small-vhd.ts';
import { noise } from '../model/noise.ts';
import { verifyVhd } from '../verify/verify-vhd.ts';
import { BASE, FormatSubject, type FormatSubjectOptions } from './format-subject.ts';
import type { Subject } from './subject.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECTOR = 512;
const CREATED_BLOCK_BYTES = 2 * MIB;
const CREATED_BYTES = 2 * CREATED_BLOCK_BYTES + 7 * SECTOR;
const FIXED_BYTES = 60 * KIB;
/** The size counts to the byte. */
const options = { force_size: true };

type Varied = Omit<FormatSubjectOptions, 'format' | 'verify' | 'name'> &
  Partial<Pick<FormatSubjectOptions, 'verify'>>;

function subject(name: string, given: Varied): Subject {
  return new FormatSubject({
    name: `vhd ${name}`,
    format: 'vhd',
    verify: (files) => verifyVhd(files.bytes()),
    ...given,
  });
}

/** @param blockBytes a power of two from 4096 on */
export function smallVhdSubject(blockBytes: number): Subject {
  const sizeBytes = 11 * blockBytes + 3 * SECTOR;
  return subject(`with blocks of ${blockBytes}`, {
    sizeBytes,
    clusterBytes: blockBytes,
    build: () => buildSmallVhd({ sizeBytes, blockBytes }),
  });
}

/** A differencing disk over a dynamic one. */
export function smallVhdOverlay(blockBytes: number): Subject {
  const sizeBytes = 9 * blockBytes + 5 * SECTOR;
  return subject(`differencing with blocks of ${blockBytes}`, {
    sizeBytes,
    clusterBytes: blockBytes,
    backing: noise(11, sizeBytes),
    backingImage: { format: 'vhd', options },
    build: (files) => {
      const parent = { image: files.bytes(BASE), name: BASE };
      return buildSmallVhd({ sizeBytes, blockBytes, parent });
    },
  });
}

export function vhdSubjects(): Subject[] {
  const created = { sizeBytes: CREATED_BYTES, clusterBytes: CREATED_BLOCK_BYTES, options };
  return [
    smallVhdSubject(4 * KIB),
    smallVhdSubject(32 * KIB),
    smallVhdOverlay(4 * KIB),
    smallVhdOverlay(16 * KIB),
    subject('dynamic', created),
    subject('differencing', {
      ...created,
      options: {},
      backing: noise(12, CREATED_BYTES),
      backingImage: { format: 'vhd', options },
    }),
    subject('fixed', {
      sizeBytes: FIXED_BYTES,
      clusterBytes: 4 * KIB,
      options: { ...options, subformat: 'fixed' },
      // There is nothing in it but the disk and the footer.
      verify: () => ({ errors: [], leaks: [], isDirty: false }),
    }),
  ];
}
