/** What a listing lists: the files that an operand of `disk-ls` stands for. */
import {
  DiskError,
  entryLinkTarget,
  type FileHandle,
  type FileStats,
  type Guest,
  openEntry,
  runSync,
} from 'diskfile';
import type { Report } from '../cli/report.ts';
import type { Checksummer } from './checksum.ts';

export interface ListedFile {
  /** Absolute path in the guest. */
  readonly path: string;
  /** What a short listing calls it. */
  readonly name: string;
  readonly stats: FileStats;
  /** Target of a symbolic link. */
  readonly target: string | undefined;
  /** Checksum of a regular file, where one was asked for. */
  readonly checksum: string | undefined;
}

export interface ListingOptions {
  readonly recursive: boolean;
  /** List a directory itself, not what is in it. */
  readonly directoryItself: boolean;
  /** Also names that begin with a dot. A recursive listing has them always. */
  readonly all: boolean;
}

export class Listing {
  readonly #guest: Guest;
  readonly #options: ListingOptions;
  readonly #report: Report;
  readonly #checksummer: Checksummer | undefined;

  constructor(
    guest: Guest,
    options: ListingOptions,
    report: Report,
    checksummer: Checksummer | undefined,
  ) {
    this.#guest = guest;
    this.#options = options;
    this.#report = report;
    this.#checksummer = checksummer;
  }

  /** Files of one operand, in the order of names. A link that leads to a directory means that. */
  *files(operand: string): Generator<ListedFile> {
    const directory = this.directory(operand);
    if (directory === undefined) yield* this.#single(operand);
    else if (this.#options.recursive) yield* this.#tree(directory);
    else yield* this.#children(directory);
  }

  /** The directory whose content is to be listed; undefined when it is the operand itself. */
  directory(operand: string): string | undefined {
    const { fileSystem } = this.#guest;
    const { type } = fileSystem.lstatSync(operand);
    if (this.#options.directoryItself) return undefined;
    if (type === 'directory') return fileSystem.realpathSync(operand);
    if (type !== 'symlink' || !this.#leadsToDirectory(operand)) return undefined;
    return fileSystem.realpathSync(operand);
  }

  /** Names in a directory, sorted, without asking for more than names. */
  names(directory: string): string[] {
    const names: string[] = [];
    for (const { name } of this.#guest.fileSystem.readdirSync(directory)) {
      if (this.#options.all || !name.startsWith('.')) names.push(name);
    }
    return names.toSorted();
  }

  #leadsToDirectory(link: string): boolean {
    try {
      return this.#guest.fileSystem.statSync(link).type === 'directory';
    } catch (error) {
      // A link that leads nowhere is listed as the link it is.
      if (error instanceof DiskError) return false;
      throw error;
    }
  }

  *#single(operand: string): Generator<ListedFile> {
    yield this.#byPath(operand, operand);
  }

  *#children(directory: string): Generator<ListedFile> {
    for (const name of this.names(directory)) {
      try {
        yield this.#byPath(joined(directory, name), name);
      } catch (error) {
        this.#survive(error);
      }
    }
  }

  *#tree(directory: string): Generator<ListedFile> {
    const prefixLength = directory === '/' ? 1 : directory.length + 1;
    const entries = this.#guest.fileSystem.walkSync(directory, {
      onError: (error) => this.#report.error(error),
    });
    for (const entry of entries) {
      const { path, stats } = entry;
      try {
        yield {
          path,
          name: path.slice(prefixLength),
          stats,
          target: stats.type === 'symlink' ? runSync(entryLinkTarget(entry)) : undefined,
          checksum: this.#checksum(stats, () => runSync(openEntry(entry))),
        };
      } catch (error) {
        this.#survive(error);
      }
    }
  }

  #byPath(path: string, name: string): ListedFile {
    const { fileSystem } = this.#guest;
    const stats = fileSystem.lstatSync(path);
    return {
      path,
      name,
      stats,
      target: stats.type === 'symlink' ? fileSystem.readlinkSync(path) : undefined,
      checksum: this.#checksum(stats, () => fileSystem.openSync(path)),
    };
  }

  #checksum({ type }: FileStats, open: () => FileHandle): string | undefined {
    if (this.#checksummer === undefined || type !== 'file') return undefined;
    return this.#checksummer.digest(open());
  }

  /** One file that cannot be read does not end the listing of the others. */
  #survive(error: unknown): void {
    if (!(error instanceof DiskError)) throw error;
    this.#report.error(error);
  }
}

function joined(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}
