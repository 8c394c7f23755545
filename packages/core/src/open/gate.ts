/** The one door through which files that an image names are opened. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '../step.ts';
import type { Storage } from '../storage.ts';
import { type FileRole, type NamedFile, quote } from './reference.ts';

export interface GateRequest {
  readonly file: NamedFile;
  /** The storage of the image that names the file. */
  readonly namedBy: Storage;
  /**
   * Whether the file is to be written: only a data file of an image that is written, and a backing
   * file that the caller asked to write.
   */
  readonly writable: boolean;
}

export interface OpenGate {
  /** @throws DiskError `denied` when the policy forbids the file; the hint says how to allow it. */
  open(request: GateRequest): Step<Storage>;
  /** Whether it has such a file for an image that names none: its `filename` is empty then. */
  supplies?(role: FileRole, namedBy: Storage): boolean;
}

/** Refuses everything: for images that do not come from the file system, and for callers who ask. */
export const closedGate: OpenGate = {
  *open({ file, namedBy }) {
    throw new DiskError(
      'denied',
      'gate.closed',
      `The image names the ${file.role} ${quote(file.filename)}, and opening further files is off`,
      { op: 'open', path: namedBy.name, hint: 'Pass a gate that allows it.' },
    );
  },
};
