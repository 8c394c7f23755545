/** A tree of files to open through the gate, and a record of all that the gate asks the host. */
import { runSync, type NamedFile, type OpenGate, type Step, type Storage } from '@diskfile/core';
import {
  type HostFiles,
  type HostGateOptions,
  nodeHostFiles,
  type OpenedFile,
} from '../../src/index.ts';
import { hostGate } from '../../src/host-gate.ts';
import { openFileStorage } from '../../src/index.ts';

/** What was asked of the host, as `open /path`, `status /path` or `realpath /path`. */
export class HostRecord {
  readonly asked: string[] = [];

  readonly files: HostFiles = {
    ...nodeHostFiles,
    realpath: (path) => this.#note('realpath', path, nodeHostFiles.realpath(path)),
    status: (path) => this.#note('status', path, nodeHostFiles.status(path)),
    open: (path, options) => this.#note('open', path, this.#open(path, options)),
  };

  #note<T>(question: string, path: string, step: Step<T>): Step<T> {
    this.asked.push(`${question} ${path}`);
    return step;
  }

  /** Descriptors that were handed out, closed since or not. */
  readonly fds: number[] = [];

  *#open(...[path, options]: Parameters<HostFiles['open']>): Step<OpenedFile> {
    const opened = yield* nodeHostFiles.open(path, options);
    this.fds.push(opened.fd);
    return opened;
  }

  get opened(): string[] {
    return this.asked.filter((entry) => entry.startsWith('open ')).map((entry) => entry.slice(5));
  }

  gate(options?: HostGateOptions): OpenGate {
    return hostGate(options, { files: this.files });
  }
}

export function named(filename: string, window: Partial<NamedFile> = {}): NamedFile {
  return { role: 'backing', filename, offset: 0, lengthBytes: undefined, ...window };
}

/** Does something as the image at `path`, which is then closed. */
export async function asImage<T>(path: string, work: (image: Storage) => Promise<T>): Promise<T> {
  const image = runSync(openFileStorage(path));
  try {
    return await work(image);
  } finally {
    await image.close();
  }
}
