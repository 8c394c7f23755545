/** VMDK disks: as the driver lays them out, with small grains, over a parent, and in uneven parts. */
import { buildSmallVmdk, smallDescriptor, type SmallVmdk } from '../builders/small-vmdk.ts';
import { noise } from '../model/noise.ts';
import { verifyVmdk } from '../verify/verify-vmdk.ts';
import { BASE, FormatSubject, type FormatSubjectOptions } from './format-subject.ts';
import type { Subject } from './subject.ts';
import type { SubjectFiles } from './subject-files.ts';

const KIB = 1024;
const SECTOR = 512;
const GRAIN = 64 * KIB;
const CREATED_BYTES = 9 * GRAIN + 7 * SECTOR;
/** Two tables at a time, so that they are written early and read again. */
const limits = { metadataCacheBytes: 32 };

type Varied = Omit<FormatSubjectOptions, 'format' | 'verify' | 'name'>;

function subject(name: string, given: Varied): Subject {
  return new FormatSubject({ name: `vmdk ${name}`, format: 'vmdk', verify: verifyVmdk, ...given });
}

type SmallShape = Pick<SmallVmdk, 'grainBytes' | 'zeroedGrains'>;

/** Several tables of four grains each. */
export function smallVmdkSubject({ grainBytes, zeroedGrains = false }: SmallShape): Subject {
  const sizeBytes = 11 * grainBytes + 3 * SECTOR;
  const kind = zeroedGrains ? 'zeroed grains' : 'grains';
  return subject(`with ${kind} of ${grainBytes}`, {
    sizeBytes,
    clusterBytes: grainBytes,
    limits,
    build: () => {
      const descriptor = smallDescriptor({ createType: 'monolithicSparse', lines: [] });
      return buildSmallVmdk({
        sizeBytes,
        grainBytes,
        entriesPerTable: 4,
        zeroedGrains,
        descriptor,
      });
    },
  });
}

export function smallVmdkOverlay({ grainBytes, zeroedGrains = false }: SmallShape): Subject {
  const sizeBytes = 9 * grainBytes + 5 * SECTOR;
  const kind = zeroedGrains ? 'zeroed grains' : 'grains';
  return subject(`over a parent with ${kind} of ${grainBytes}`, {
    sizeBytes,
    clusterBytes: grainBytes,
    limits,
    backing: noise(21, sizeBytes),
    backingImage: { format: 'vmdk' },
    build: (files) => {
      const parent = { name: BASE, cid: cidOf(files.bytes(BASE)) };
      const descriptor = smallDescriptor({ createType: 'monolithicSparse', lines: [], parent });
      return buildSmallVmdk({
        sizeBytes,
        grainBytes,
        entriesPerTable: 4,
        zeroedGrains,
        descriptor,
      });
    },
  });
}

/** Sparse and flat parts of lengths that are no multiples of a grain. */
export function unevenVmdkSubject(grainBytes: number): Subject {
  const lengths = [3 * grainBytes + SECTOR, grainBytes + 3 * SECTOR, 6 * grainBytes + 2 * SECTOR];
  return subject(`in uneven parts with grains of ${grainBytes}`, {
    sizeBytes: lengths.reduce((sum, length) => sum + length, 0),
    clusterBytes: grainBytes,
    limits,
    build(files) {
      const lines = lengths.map((length, index) => addPart(files, length, grainBytes, index));
      return Buffer.from(smallDescriptor({ createType: 'custom', lines }));
    },
  });
}

/** @returns the line of the descriptor */
function addPart(files: SubjectFiles, length: number, grainBytes: number, index: number): string {
  const isFlat = index === 1;
  const name = `part${index}`;
  const bytes = isFlat
    ? new Uint8Array(length)
    : buildSmallVmdk({ sizeBytes: length, grainBytes, entriesPerTable: 4 });
  files.add(name).writeSync(bytes, 0);
  return `RW ${length / SECTOR} ${isFlat ? 'FLAT' : 'SPARSE'} "${name}"${isFlat ? ' 0' : ''}`;
}

function cidOf(image: Uint8Array): string {
  return /^CID=(\w+)$/m.exec(Buffer.from(image.subarray(SECTOR, 4 * KIB)).toString('latin1'))![1]!;
}

export function vmdkSubjects(): Subject[] {
  const created = { sizeBytes: CREATED_BYTES, clusterBytes: GRAIN };
  const backingImage = { format: 'vmdk' };
  return [
    smallVmdkSubject({ grainBytes: 4 * KIB }),
    smallVmdkSubject({ grainBytes: 8 * KIB, zeroedGrains: true }),
    smallVmdkOverlay({ grainBytes: 4 * KIB }),
    smallVmdkOverlay({ grainBytes: 4 * KIB, zeroedGrains: true }),
    unevenVmdkSubject(4 * KIB),
    subject('monolithicSparse', created),
    subject('monolithicSparse over a longer parent', {
      ...created,
      backing: noise(22, CREATED_BYTES + GRAIN),
      backingImage,
    }),
    subject('twoGbMaxExtentSparse over a shorter parent', {
      ...created,
      options: { subformat: 'twoGbMaxExtentSparse' },
      backing: noise(23, 5 * GRAIN + SECTOR),
      backingImage,
    }),
    subject('monolithicFlat', { ...created, options: { subformat: 'monolithicFlat' } }),
  ];
}
