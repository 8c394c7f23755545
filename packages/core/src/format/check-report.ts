/** What a check of an image looks at, and what it finds. */
import type { DecoderSet } from '../decoder.ts';
import type { MakeHash } from '../hash.ts';
import type { Limits } from '../limits.ts';
import type { NamedFile } from '../open/reference.ts';
import type { Step } from '../step.ts';
import type { Storage } from '../storage.ts';
import type { DiskWarning } from './disk-warning.ts';

/**
 * What a check may repair. `leaks`: space that is taken and not used. `all`: whatever can be
 * repaired without guessing at content.
 */
export type RepairMode = 'leaks' | 'all';

/** How far a check has come, in units of its own; `total` may grow on the way. */
export interface CheckProgress {
  readonly done: number;
  readonly total: number;
}

export interface CheckContext {
  /** The image file; a {@link WritableStorage} when there is something to repair. */
  readonly storage: Storage;
  readonly decoders: DecoderSet;
  /** For formats that keep digests of their content. */
  readonly makeHash: MakeHash;
  readonly limits: Limits;
  /** Undefined to change nothing. */
  readonly repair: RepairMode | undefined;
  /** Whether damage is to be told of and repaired as QEMU 7.2 does it, where that is known. */
  readonly asQemu?: boolean;
  /** With `asQemu`: as it repairs an image that was not closed when it opens it for writing. */
  readonly forOpening?: boolean;
  warn(warning: DiskWarning): void;
  /** Opens a further file that the image names; the gate decides. The caller closes it. */
  openNamed(file: NamedFile): Step<Storage>;
  /** Called now and then. What it throws ends the check, between two steps that may be apart. */
  onProgress(progress: CheckProgress): void;
}

/** One thing that is wrong. */
export interface CheckFinding {
  /** `leak`: space is lost, nothing else. `error`: anything worse. */
  readonly kind: 'error' | 'leak';
  /** Dotted, like {@link DiskError.detail}. */
  readonly detail: string;
  /** A whole sentence without its full stop. */
  readonly message: string;
  /** Where in the image file. */
  readonly hostOffset?: number;
  /** What part of the disk is concerned, where that is known. */
  readonly guestOffset?: number;
  /** Where clusters are counted wrongly: what their refcounts say, and how often they are used. */
  readonly counts?: {
    readonly firstCluster: number;
    readonly clusters: number;
    readonly stored: number;
    readonly counted: number;
  };
  readonly repaired: boolean;
  /** What `qemu-img check` prints about it, where that is more than its counts. */
  readonly genuineText?: string;
}

/** A line that `qemu-img check` prints. */
export interface GenuineLine {
  readonly text: string;
  /** Whether it stands behind the name of the program. */
  readonly isError: boolean;
}

/** How `qemu-img check` tells of what was found. */
export interface GenuineWords {
  readonly lines: readonly GenuineLine[];
  /** With what error it gives up; undefined where it has looked at everything. */
  readonly failure: string | undefined;
}

/** The counts are those that `qemu-img check` gives. */
export interface CheckReport {
  readonly format: string;
  /** What could not be checked. */
  readonly checkErrors: number;
  /** Errors that are (still) there. */
  readonly corruptions: number;
  readonly corruptionsFixed: number;
  /** Clusters that are (still) counted as used and are not. */
  readonly leaks: number;
  readonly leaksFixed: number;
  /** End of the last cluster in use. */
  readonly imageEndOffset: number;
  /** Clusters of the guest disk, and how many of them the image holds, in what form. */
  readonly totalClusters: number;
  readonly allocatedClusters: number;
  readonly compressedClusters: number;
  /** Allocated clusters that do not follow their predecessor in the file; all compressed ones. */
  readonly fragmentedClusters: number;
  /** What was found, in the order of discovery, up to a bound. The counts have no bound. */
  readonly findings: readonly CheckFinding[];
  /** Findings that were left out of the list. */
  readonly findingsOmitted: number;
  /** Only for {@link CheckContext.asQemu}, and where there is more to say than the counts. */
  readonly genuine?: GenuineWords;
}
