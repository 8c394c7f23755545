/** A subject whose image is a file of the host, as another process sees it too. */
import { join } from 'node:path';
import { readFileSync, writeFileSync } from 'node:fs';
import type { CheckReport, DiskFile, FormatOptions } from '@diskfile/core';
import { MemoryStorage, openDiskFileSync } from 'diskfile';
import type { OpenSubjectOptions, Subject, Verdict } from './subject.ts';
import { IMAGE, SubjectFiles } from './subject-files.ts';

export class HostSubject implements Subject {
  readonly name: string;
  readonly format: string;
  readonly options: FormatOptions;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly maxSnapshots: number;
  readonly growsOnly: boolean;
  readonly mayCreateBitmaps: boolean;
  readonly backing: Uint8Array | undefined;
  readonly #inner: Subject;
  readonly #directory: string;

  constructor(inner: Subject, directory: string) {
    this.name = inner.name;
    this.format = inner.format;
    this.options = inner.options;
    this.sizeBytes = inner.sizeBytes;
    this.clusterBytes = inner.clusterBytes;
    this.growsOnly = inner.growsOnly ?? false;
    this.maxSnapshots = inner.maxSnapshots;
    this.mayCreateBitmaps = inner.mayCreateBitmaps;
    this.backing = inner.backing;
    this.#inner = inner;
    this.#directory = directory;
  }

  get path(): string {
    return join(this.#directory, IMAGE);
  }

  create(): SubjectFiles {
    const files = this.#inner.create();
    for (const name of files.names) writeFileSync(join(this.#directory, name), files.bytes(name));
    return new SubjectFiles();
  }

  /** Opens the file; `files` is of no use here. */
  open(_files: SubjectFiles, options: OpenSubjectOptions = {}): DiskFile {
    const { readOnly = false, snapshot } = options;
    return openDiskFileSync(this.path, {
      format: this.format,
      readOnly,
      ...(snapshot === undefined ? {} : { snapshot }),
    });
  }

  check(): CheckReport | undefined {
    return this.#inner.check(this.#found());
  }

  verify(): Verdict {
    return this.#inner.verify(this.#found());
  }

  /** The image as it is now. */
  #found(): SubjectFiles {
    const files = new SubjectFiles();
    files.add(IMAGE, new MemoryStorage(new Uint8Array(readFileSync(this.path)), IMAGE));
    return files;
  }
}
