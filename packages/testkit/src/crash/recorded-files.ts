/** The files of a subject with a record of everything that reaches them. */
import { MemoryStorage } from '@diskfile/core';
import type { DiskModel } from '../model/disk-model.ts';
import { DiskTrial } from '../model/disk-trial.ts';
import { CrashLog } from '../storage/crash-log.ts';
import type { CrashState } from '../storage/crash-states.ts';
import { RecordingStorage } from '../storage/recording-storage.ts';
import { BASE } from '../subject/format-subject.ts';
import { SubjectFiles, type WrapStorage } from '../subject/subject-files.ts';
import { performAll, type Workload } from './workload.ts';

export interface PreparedDisk {
  readonly files: SubjectFiles;
  readonly begin: DiskModel;
}

/** Makes the image of a workload, and what it prepares, without any record. */
export function prepare({ subject, preparation }: Workload): PreparedDisk {
  const trial = new DiskTrial(subject);
  let begin = trial.modelNow();
  for (const { after } of performAll(preparation, { trial, begin, now: () => 0 })) begin = after;
  trial.close();
  return { files: trial.files, begin };
}

interface Wraps {
  readonly before?: WrapStorage;
  readonly within?: WrapStorage;
}

const asItIs: WrapStorage = (storage) => storage;

export class RecordedFiles {
  readonly log = new CrashLog();
  readonly files: SubjectFiles;
  readonly #names: string[] = [];

  /**
   * Works on copies. What lies below an image is only read and not recorded.
   * @param wraps `before` the record, what it lets through reaches the host; `within`, the host
   */
  constructor(prepared: SubjectFiles, { before = asItIs, within = asItIs }: Wraps = {}) {
    this.files = prepared.wrapped((storage, name) => {
      if (name === BASE) return storage;
      this.#names.push(name);
      const copy = new MemoryStorage(prepared.bytes(name), name);
      return before(new RecordingStorage(within(copy, name), this.log), name);
    });
  }

  get now(): number {
    return this.log.now;
  }

  /** The files as a crash leaves them. */
  after({ storages }: CrashState): SubjectFiles {
    const found = new SubjectFiles();
    for (const [index, storage] of storages.entries()) found.add(this.#names[index]!, storage);
    const base = this.files.get(BASE);
    if (base !== undefined) found.add(BASE, base);
    return found;
  }
}
