/** What tests of several packages share. The fuzzer is a program of its own, `fuzz/main.ts`. */
export { buildAsif, buildSparseImage } from './builders/apple.ts';
export { buildSmallVhdx, type SmallVhdx, VHDX_PLACES } from './builders/small-vhdx.ts';
export { buildBochs } from './builders/bochs.ts';
export { buildCloop } from './builders/cloop.ts';
export {
  buildDmg,
  DMG_CHUNK,
  type DmgChunkSpec,
  type DmgSpec,
  type DmgTableSpec,
} from './builders/dmg.ts';
export {
  buildEwf,
  type EwfSection,
  type EwfSpec,
  listEwfSections,
  repairEwfChecksums,
} from './builders/ewf.ts';
export { FakeLink, type FakeNode, FakeVolume } from './filesystem/fake-volume.ts';
export { buildTar, repairTarChecksums, type TarMember } from './builders/tar.ts';
export {
  buildLz4,
  buildSeekableZstd,
  encodeRuns,
  type Lz4Spec,
  type SeekableFrame,
} from './builders/packed.ts';
export {
  type BootRecordEntrySpec,
  buildBootRecord,
  buildGptDisk,
  type GptPartitionSpec,
  type GptSpec,
  type LogicalSpec,
  repairGptChecksums,
  writeLogicalChain,
} from './builders/partition-tables.ts';
export { listTree, type ManifestEntry, nanoseconds, readManifest } from './guest-manifest.ts';
export { SeededRandom, writeMixedPayload } from './oracles/payload.ts';
export { asQemuMap, QemuDirectory, type QemuMapEntry } from './oracles/qemu.ts';
export { haveTools } from './oracles/tools.ts';
export { withoutVmdkIdentity } from './oracles/vmdk-identity.ts';
export { type Case, pairwise } from './pairwise.ts';
export { CrashLog, type Mutation, type RecordedMutation } from './storage/crash-log.ts';
export {
  type CrashOptions,
  type CrashState,
  crashStates,
  leftNow,
} from './storage/crash-states.ts';
export { type FaultPlan, Faults, FaultStorage } from './storage/fault-storage.ts';
export { Random } from './storage/random.ts';
export { RecordingStorage } from './storage/recording-storage.ts';
export { StorageWrapper } from '@diskfile/storage';
export type { DiskModel } from './model/disk-model.ts';
export { DiskTrial } from './model/disk-trial.ts';
export { noise } from './model/noise.ts';
export { adoptOutcome, isDone } from './model/outcome.ts';
export { operations } from './model/operations/index.ts';
export { type ModelRunOptions, OperationCounts, runModel } from './model/model-run.ts';
export { sharesOf } from './model/shares.ts';
export { DriverInMemory } from './subject/driver-in-memory.ts';
export { detailOf, refusalOf } from './subject/refusal.ts';
export { FormatSubject, type FormatSubjectOptions } from './subject/format-subject.ts';
export { SubjectFiles } from './subject/subject-files.ts';
export type { OpenSubjectOptions, Subject, Verdict } from './subject/subject.ts';
export { type CrashReport, type CrashRunOptions, runCrashes } from './crash/crash-run.ts';
export { blockWorkloads, randomWorkload } from './crash/block-workloads.ts';
export { QCOW2_WORKLOADS } from './crash/qcow2-workloads.ts';
export {
  ALL_WORKLOADS,
  AS_QEMU_WORKLOADS,
  PARALLELS_WORKLOADS,
  QCOW_WORKLOADS,
  QED_WORKLOADS,
  VDI_WORKLOADS,
  VHD_WORKLOADS,
  VHDX_WORKLOADS,
  VMDK_WORKLOADS,
} from './crash/workloads.ts';
export type { Workload } from './crash/workload.ts';
export {
  type FaultKind,
  type FaultReport,
  type FaultRunOptions,
  runFaults,
} from './fault/fault-run.ts';
export {
  type OverlapOptions,
  type OverlapReport,
  runOverlapping,
} from './concurrency/overlap-run.ts';
export { SlowStorage } from './storage/slow-storage.ts';
export { qcow2Subject, qcow2Subjects } from './subject/qcow2-subjects.ts';
export { parallelsSubjects, qcowSubjects, qedSubjects } from './subject/qemu-subjects.ts';
export { allSubjects } from './subject/subjects.ts';
export { smallVdiSubject, vdiSubjects } from './subject/vdi-subjects.ts';
export { smallVhdOverlay, smallVhdSubject, vhdSubjects } from './subject/vhd-subjects.ts';
export { vhdxSubjects } from './subject/vhdx-subjects.ts';
export { type KillReport, type KillRunOptions, runKills } from './kill/kill-run.ts';
export { verifyQcow2 } from './verify/verify-qcow2.ts';
export { verifyVdi } from './verify/verify-vdi.ts';
export { verifyVhd } from './verify/verify-vhd.ts';
export {
  smallVmdkOverlay,
  smallVmdkSubject,
  unevenVmdkSubject,
  vmdkSubjects,
} from './subject/vmdk-subjects.ts';
export { verifyVhdx } from './verify/verify-vhdx.ts';
export {
  type OverlapCrashOptions,
  type OverlapCrashReport,
  runOverlappingCrashes,
} from './concurrency/overlap-crash.ts';
