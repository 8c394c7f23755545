/** All that a disk shows: what is compared after a crash. */
import { dirtyRangesOf } from '../model/disk-trial.ts';
import type { Subject } from '../subject/subject.ts';
import type { SubjectFiles } from '../subject/subject-files.ts';
import { readAll } from '../model/mismatch.ts';

export interface FoundSnapshot {
  readonly name: string;
  readonly content: Uint8Array;
}

export interface FoundBitmap {
  readonly name: string;
  /** As {@link dirtyRangesOf} puts it; undefined for one that says of itself that it is not right. */
  readonly dirty: string | undefined;
}

export interface FoundDisk {
  readonly content: Uint8Array;
  readonly snapshots: readonly FoundSnapshot[];
  readonly bitmaps: readonly FoundBitmap[];
}

/** Opens an image for reading, and reads everything. */
export function findDisk(subject: Subject, files: SubjectFiles): FoundDisk {
  const disk = subject.open(files, { readOnly: true });
  try {
    const list = disk.capabilities.snapshots?.list() ?? [];
    const snapshots = list.map(({ id, name }) => {
      const older = subject.open(files, { readOnly: true, snapshot: id });
      try {
        return { name, content: readAll(older) };
      } finally {
        older.closeSync();
      }
    });
    const bitmaps = (disk.capabilities.bitmaps?.list() ?? []).map(({ name, flags }) => ({
      name,
      dirty: flags.includes('in-use') ? undefined : dirtyRangesOf(disk, name),
    }));
    return { content: readAll(disk), snapshots, bitmaps };
  } finally {
    disk.closeSync();
  }
}
