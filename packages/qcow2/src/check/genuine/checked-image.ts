/** An image as far as a check has come to know it. */
import type { Limits, Storage } from '@diskfile/core';
import type { CheckedHeader } from '../checked-header.ts';
import type { RefcountFile } from './refcount-file.ts';
import type { NamedSnapshot } from './snapshot-table-check.ts';

export interface CheckedImage {
  readonly storage: Storage;
  readonly checked: CheckedHeader;
  readonly refcounts: RefcountFile;
  /** Whether its data lies in a file of its own. */
  readonly external: boolean;
  readonly limits: Limits;
  readonly snapshots: readonly NamedSnapshot[];
  readonly snapshotTableBytes: number;
}
