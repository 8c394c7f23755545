/** What is done to every format while its host loses power or fails. A new one joins the list here. */
import { parallelsSubjects, qcowSubjects, qedSubjects } from '../subject/qemu-subjects.ts';
import { smallVdiSubject, vdiSubjects } from '../subject/vdi-subjects.ts';
import { smallVhdOverlay, smallVhdSubject, vhdSubjects } from '../subject/vhd-subjects.ts';
import { vhdxSubjects } from '../subject/vhdx-subjects.ts';
import { smallVmdkOverlay, smallVmdkSubject, unevenVmdkSubject } from '../subject/vmdk-subjects.ts';
import type { Subject } from '../subject/subject.ts';
import { blockWorkloads, randomWorkload } from './block-workloads.ts';
import { QCOW2_WORKLOADS } from './qcow2-workloads.ts';
import type { Workload } from './workload.ts';

const KIB = 1024;
const SMALL_BLOCK_BYTES = 4 * KIB;
const RANDOM_SEEDS = [1, 2, 3];

const thorough = (subject: Subject): Workload[] => [
  ...blockWorkloads(subject),
  ...RANDOM_SEEDS.map((seed) => randomWorkload(subject, seed)),
];

export const VDI_WORKLOADS: readonly Workload[] = [
  ...thorough(smallVdiSubject({ blockBytes: SMALL_BLOCK_BYTES })),
  ...thorough(smallVdiSubject({ blockBytes: SMALL_BLOCK_BYTES, blockExtraBytes: 512 })),
];

export const VHD_WORKLOADS: readonly Workload[] = [
  ...thorough(smallVhdSubject(SMALL_BLOCK_BYTES)),
  ...thorough(smallVhdOverlay(SMALL_BLOCK_BYTES)),
];

export const VHDX_WORKLOADS: readonly Workload[] = vhdxSubjects()
  .filter(({ name }) => name === 'vhdx dynamic' || name === 'vhdx differencing')
  .flatMap(thorough);

export const QED_WORKLOADS = qedSubjects().flatMap(thorough);
/** Where a cluster is a sector, there are no parts of one. */
export const QCOW_WORKLOADS = qcowSubjects().flatMap((subject) =>
  subject.backing === undefined
    ? thorough(subject)
    : RANDOM_SEEDS.map((seed) => randomWorkload(subject, seed)),
);
export const PARALLELS_WORKLOADS = parallelsSubjects().flatMap(thorough);
export const VMDK_WORKLOADS: readonly Workload[] = [
  smallVmdkSubject({ grainBytes: SMALL_BLOCK_BYTES }),
  smallVmdkOverlay({ grainBytes: SMALL_BLOCK_BYTES, zeroedGrains: true }),
  unevenVmdkSubject(SMALL_BLOCK_BYTES),
].flatMap(thorough);

/**
 * What is done otherwise where an image is opened to be worked on as by QEMU. That refuses to write
 * compressed data over other data, so nothing is compressed.
 */
export const AS_QEMU_WORKLOADS: readonly Workload[] = QCOW2_WORKLOADS.filter(
  ({ operations }) => !operations.some(({ kind }) => kind === 'write compressed'),
).map((workload) => ({
  ...workload,
  name: `${workload.name}, as QEMU`,
  subject: workload.subject.asQemu!(),
}));

/** Images as large as programs make them, for long runs. */
const LARGE_WORKLOADS: readonly Workload[] = [...vdiSubjects(), ...vhdSubjects(), ...vhdxSubjects()]
  .filter(({ name }) => /^(vdi|vhd) (dynamic|differencing)$|^vhdx .* 2 MiB/.test(name))
  .flatMap(blockWorkloads);

export const ALL_WORKLOADS: readonly Workload[] = [
  ...QCOW2_WORKLOADS,
  ...AS_QEMU_WORKLOADS,
  ...VDI_WORKLOADS,
  ...VHD_WORKLOADS,
  ...VHDX_WORKLOADS,
  ...QED_WORKLOADS,
  ...QCOW_WORKLOADS,
  ...PARALLELS_WORKLOADS,
  ...VMDK_WORKLOADS,
  ...LARGE_WORKLOADS,
];
