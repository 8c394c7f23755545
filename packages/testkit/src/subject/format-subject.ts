/** A subject made of a format driver and options. */
import {
  type CheckReport,
  type DiskFile,
  findDriver,
  type FormatDriver,
  type FormatOptions,
  type Limits,
  MemoryStorage,
  runSync,
} from '@diskfile/core';
import { ALL_FORMATS, checkDiskFileSync, openDiskFileSync } from 'diskfile';
import type { OpenSubjectOptions, Subject, Verdict } from './subject.ts';
import { IMAGE, SubjectFiles } from './subject-files.ts';

/** Name of the backing image among the files. */
export const BASE = 'base';

export interface FormatSubjectOptions {
  readonly name: string;
  readonly format: string;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly options?: FormatOptions;
  /** Any number when left out. */
  readonly maxSnapshots?: number;
  /** True when left out. */
  readonly mayCreateBitmaps?: boolean;
  /** Content of a raw backing image. */
  readonly backing?: Uint8Array;
  readonly limits?: Partial<Limits>;
  /** Looks at the tables, with nothing of the format's own package. */
  readonly verify: (files: SubjectFiles) => Verdict;
}

export class FormatSubject implements Subject {
  readonly name: string;
  readonly format: string;
  readonly options: FormatOptions;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly maxSnapshots: number;
  readonly mayCreateBitmaps: boolean;
  readonly backing: Uint8Array | undefined;
  readonly #driver: FormatDriver;
  readonly #limits: Partial<Limits>;
  readonly #verify: (files: SubjectFiles) => Verdict;

  constructor(given: FormatSubjectOptions) {
    this.name = given.name;
    this.format = given.format;
    this.options = given.options ?? {};
    this.sizeBytes = given.sizeBytes;
    this.clusterBytes = given.clusterBytes;
    this.maxSnapshots = given.maxSnapshots ?? Infinity;
    this.mayCreateBitmaps = given.mayCreateBitmaps ?? true;
    this.backing = given.backing;
    this.#driver = findDriver(ALL_FORMATS, given.format)!;
    this.#limits = given.limits ?? {};
    this.#verify = given.verify;
  }

  create(): SubjectFiles {
    const files = new SubjectFiles();
    const storage = files.add(IMAGE);
    if (this.backing !== undefined) files.add(BASE, new MemoryStorage(this.backing, BASE));
    runSync(
      this.#driver.create!({
        storage,
        sizeBytes: this.sizeBytes,
        options: this.options,
        backing: this.backing && { name: BASE, format: 'raw' },
        *createNamed({ filename }) {
          return files.add(filename);
        },
      }),
    );
    return files;
  }

  open(files: SubjectFiles, options: OpenSubjectOptions = {}): DiskFile {
    const { readOnly = false, snapshot, limits } = options;
    return openDiskFileSync(files.image, {
      format: this.format,
      readOnly,
      gate: files.gate,
      limits: { ...this.#limits, ...limits },
      ...(snapshot === undefined ? {} : { snapshot }),
    });
  }

  check(files: SubjectFiles): CheckReport {
    return checkDiskFileSync(files.image, { format: this.format, gate: files.gate });
  }

  verify(files: SubjectFiles): Verdict {
    return this.#verify(files);
  }
}
