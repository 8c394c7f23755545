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
  type Step,
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
  readonly growsOnly?: boolean;
  /** True when left out. */
  readonly mayCreateBitmaps?: boolean;
  /** What the image below holds. */
  readonly backing?: Uint8Array;
  /** How that is stored; as a raw disk when left out. */
  readonly backingImage?: BackingImage;
  /** Lays out what the driver does not: a fresh image. What lies below it is there. */
  readonly build?: (files: SubjectFiles) => Uint8Array;
  readonly limits?: Partial<Limits>;
  /** Whether it is written in QEMU's ways, see `OpenDiskFileOptions`. */
  readonly asQemu?: boolean;
  /** Looks at the tables, with nothing of the format's own package. */
  readonly verify: (files: SubjectFiles) => Verdict;
}

export interface BackingImage {
  readonly format: string;
  readonly options?: FormatOptions;
}

const RAW: BackingImage = { format: 'raw' };

export class FormatSubject implements Subject {
  readonly name: string;
  readonly format: string;
  readonly options: FormatOptions;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly maxSnapshots: number;
  readonly growsOnly: boolean;
  readonly mayCreateBitmaps: boolean;
  readonly backing: Uint8Array | undefined;
  readonly #given: FormatSubjectOptions;
  readonly #driver: FormatDriver;
  readonly #backingImage: BackingImage;
  readonly #build: ((files: SubjectFiles) => Uint8Array) | undefined;
  readonly #limits: Partial<Limits>;
  readonly #verify: (files: SubjectFiles) => Verdict;

  constructor(given: FormatSubjectOptions) {
    this.#given = given;
    this.name = given.name;
    this.format = given.format;
    this.options = given.options ?? {};
    this.sizeBytes = given.sizeBytes;
    this.clusterBytes = given.clusterBytes;
    this.growsOnly = given.growsOnly ?? false;
    this.maxSnapshots = given.maxSnapshots ?? Infinity;
    this.mayCreateBitmaps = given.mayCreateBitmaps ?? true;
    this.backing = given.backing;
    this.#driver = findDriver(ALL_FORMATS, given.format)!;
    this.#backingImage = given.backingImage ?? RAW;
    this.#build = given.build;
    this.#limits = given.limits ?? {};
    this.#verify = given.verify;
  }

  asQemu(): FormatSubject {
    return new FormatSubject({ ...this.#given, name: `${this.name}, as QEMU`, asQemu: true });
  }

  create(): SubjectFiles {
    const files = new SubjectFiles();
    const storage = files.add(IMAGE);
    this.#addBase(files);
    if (this.#build !== undefined) storage.writeSync(this.#build(files), 0);
    else runSync(this.#lay(files));
    return files;
  }

  *#lay(files: SubjectFiles): Step<void> {
    const { format } = this.#backingImage;
    yield* this.#driver.create!({
      storage: files.image,
      sizeBytes: this.sizeBytes,
      options: this.options,
      backing: this.backing && { name: BASE, format },
      *describeBacking() {
        const base = openDiskFileSync(files.get(BASE)!, { format });
        return base.info()[0]!.details;
      },
      *createNamed({ filename }) {
        return files.add(filename);
      },
    });
  }

  #addBase(files: SubjectFiles): void {
    const { backing } = this;
    const { format, options = {} } = this.#backingImage;
    if (backing === undefined) return;
    if (format === 'raw') return void files.add(BASE, new MemoryStorage(backing, BASE));
    const storage = files.add(BASE);
    const create = findDriver(ALL_FORMATS, format)!.create!({
      storage,
      sizeBytes: backing.length,
      options,
      backing: undefined,
      *createNamed({ filename }) {
        throw new Error(`assertion failed: ${filename} is one file too many`);
      },
    });
    runSync(create);
    const disk = openDiskFileSync(storage, { format, readOnly: false });
    disk.writeSync(backing, 0);
    disk.closeSync();
  }

  open(files: SubjectFiles, options: OpenSubjectOptions = {}): DiskFile {
    const { readOnly = false, snapshot, limits } = options;
    return openDiskFileSync(files.image, {
      format: this.format,
      readOnly,
      gate: files.gate,
      asQemu: this.#given.asQemu ?? false,
      limits: { ...this.#limits, ...limits },
      ...(snapshot === undefined ? {} : { snapshot }),
    });
  }

  check(files: SubjectFiles): CheckReport | undefined {
    if (this.#driver.check === undefined) return undefined;
    return checkDiskFileSync(files.image, { format: this.format, gate: files.gate });
  }

  verify(files: SubjectFiles): Verdict {
    return this.#verify(files);
  }
}
