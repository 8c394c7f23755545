/**
 * What the kits of this package (model, crash, fault, concurrency) try out: one kind of image, of
 * any format. A new format joins all of them with a {@link FormatSubject} and a verifier.
 */
import type { CheckReport, DiskFile, Limits } from '@diskfile/core';
import type { SubjectFiles } from './subject-files.ts';

/** What an independent look at an image's tables found. */
export interface Verdict {
  /** What must never be: space used twice, a count that is too low. */
  readonly errors: readonly string[];
  /** Space that is taken and not used. */
  readonly leaks: readonly string[];
  /**
   * Whether the image says of itself that whoever writes it next has to put it right, or shows in
   * some other way that it was not closed. Until then the format's own check may find errors.
   */
  readonly isDirty: boolean;
}

export interface OpenSubjectOptions {
  readonly readOnly?: boolean;
  readonly snapshot?: string;
  readonly limits?: Partial<Limits>;
}

export interface Subject {
  readonly name: string;
  readonly format: string;
  /** Under the names of `qemu-img create -o`. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly sizeBytes: number;
  /** Unit of allocation, near whose borders mistakes are likely. */
  readonly clusterBytes: number;
  /** How many snapshots it can always keep; it may refuse more. */
  readonly maxSnapshots: number;
  /** Whether it refuses to get smaller. */
  readonly growsOnly?: boolean;
  /** False when it refuses to make bitmaps. */
  readonly mayCreateBitmaps: boolean;
  /** What lies below the image; undefined when it stands alone. */
  readonly backing: Uint8Array | undefined;
  /** The same, written in QEMU's ways. */
  asQemu?(): Subject;
  /** A fresh image and everything that it names, in memory. */
  create(): SubjectFiles;
  open(files: SubjectFiles, options?: OpenSubjectOptions): DiskFile;
  /** What the format's own check says of the image; undefined where formats have none. */
  check(files: SubjectFiles): CheckReport | undefined;
  /** Looks at an image that was closed cleanly, or that a crash has left. */
  verify(files: SubjectFiles): Verdict;
}
