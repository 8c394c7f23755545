/** QED, qcow of version 1 and Parallels: small clusters, alone and over images. */
import type { DiskFile } from '@diskfile/core';
import { checkDiskFileSync } from 'diskfile';
import { noise } from '../model/noise.ts';
import { verifyParallels } from '../verify/verify-parallels.ts';
import { verifyQcow } from '../verify/verify-qcow.ts';
import { verifyQed } from '../verify/verify-qed.ts';
import { FormatSubject } from './format-subject.ts';
import type { SubjectFiles } from './subject-files.ts';
import type { OpenSubjectOptions, Subject } from './subject.ts';

const SECTOR = 512;
const CLUSTER = 4096;
/** Ends within a cluster. */
const SIZE_BYTES = 11 * CLUSTER + 3 * SECTOR;
/** Few enough for tables to be evicted. */
const limits = { metadataCacheBytes: 8 * 1024 };
const backing = noise(21, SIZE_BYTES - 2 * CLUSTER);

const QED = {
  format: 'qed',
  clusterBytes: CLUSTER,
  options: { cluster_size: CLUSTER, table_size: 1 },
  growsOnly: true,
  limits,
  verify: (files: SubjectFiles) => verifyQed(files.bytes()),
};
const QCOW = {
  format: 'qcow',
  sizeBytes: SIZE_BYTES,
  limits,
  verify: (files: SubjectFiles) => verifyQcow(files.bytes()),
};

/** Some subjects have several L2 tables, of 512 clusters each. */
export function qedSubjects(): Subject[] {
  const several = 514 * CLUSTER + SECTOR;
  return [
    new FormatSubject({ ...QED, name: 'qed', sizeBytes: SIZE_BYTES }),
    new FormatSubject({ ...QED, name: 'qed over an image', sizeBytes: SIZE_BYTES, backing }),
    new FormatSubject({ ...QED, name: 'qed with several tables', sizeBytes: several }),
  ];
}

export function qcowSubjects(): Subject[] {
  return [
    new FormatSubject({ ...QCOW, name: 'qcow', clusterBytes: CLUSTER }),
    new FormatSubject({ ...QCOW, name: 'qcow over an image', clusterBytes: SECTOR, backing }),
  ];
}

/** What was not closed is repaired before it is written again, as users have to do. */
class RepairedSubject extends FormatSubject {
  override open(files: SubjectFiles, options: OpenSubjectOptions = {}): DiskFile {
    if (options.readOnly !== true && this.verify(files).isDirty) {
      checkDiskFileSync(files.image, { format: this.format, repair: 'all' });
    }
    return super.open(files, options);
  }
}

export function parallelsSubjects(): Subject[] {
  return [CLUSTER, 3 * SECTOR].map(
    (clusterBytes) =>
      new RepairedSubject({
        name: `parallels with clusters of ${clusterBytes}`,
        format: 'parallels',
        sizeBytes: 11 * clusterBytes + 3 * SECTOR,
        clusterBytes,
        options: { cluster_size: clusterBytes },
        limits,
        verify: (files) => verifyParallels(files.bytes()),
      }),
  );
}
