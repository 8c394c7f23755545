/** VDI images: as the driver lays them out, and with small blocks and room before each. */
import { buildSmallVdi, type SmallVdi } from '../builders/small-vdi.ts';
import { verifyVdi } from '../verify/verify-vdi.ts';
import { FormatSubject, type FormatSubjectOptions } from './format-subject.ts';
import type { Subject } from './subject.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECTOR = 512;

type Varied = Omit<FormatSubjectOptions, 'format' | 'verify' | 'name'>;

function subject(name: string, given: Varied): Subject {
  return new FormatSubject({
    name: `vdi ${name}`,
    format: 'vdi',
    verify: (files) => verifyVdi(files.bytes()),
    ...given,
  });
}

export function smallVdiSubject({ blockBytes, blockExtraBytes = 0 }: Omit<SmallVdi, 'sizeBytes'>) {
  const sizeBytes = 11 * blockBytes + 3 * SECTOR;
  return subject(`with blocks of ${blockBytes} behind ${blockExtraBytes}`, {
    sizeBytes,
    clusterBytes: blockBytes,
    build: () => buildSmallVdi({ sizeBytes, blockBytes, blockExtraBytes }),
  });
}

export function vdiSubjects(): Subject[] {
  const created = { sizeBytes: 3 * MIB + 7 * SECTOR, clusterBytes: MIB };
  return [
    smallVdiSubject({ blockBytes: 4 * KIB }),
    smallVdiSubject({ blockBytes: 16 * KIB, blockExtraBytes: SECTOR }),
    subject('dynamic', created),
    subject('static', { ...created, sizeBytes: MIB + SECTOR, options: { static: true } }),
  ];
}
