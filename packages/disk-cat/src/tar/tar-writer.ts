/** Guest files as members of a tar archive on standard output. */
import {
  DiskError,
  entryLinkTarget,
  entryXattrs,
  type FileHandle,
  type FileType,
  type Mount,
  openEntry,
  runSync,
  type TreeEntry,
} from 'diskfile';
import { alignUp } from '@diskfile/bytes';
import type { Output } from '@diskfile/command';
import type { Report } from '../cli/report.ts';
import { encodeMemberHeader, type MemberType } from './member-header.ts';
import { PaxRecords } from './pax-records.ts';
import { type DataRegion, sparseMap } from './sparse-map.ts';
import { BLOCK_BYTES, RECORD_BYTES } from './tar-blocks.ts';

const CHUNK_BYTES = 1024 * 1024;
const PADDING = new Uint8Array(RECORD_BYTES);

const MEMBER_TYPES: Readonly<Partial<Record<FileType, MemberType>>> = {
  file: 'File',
  directory: 'Directory',
  symlink: 'SymbolicLink',
  'character-device': 'CharacterDevice',
  'block-device': 'BlockDevice',
  fifo: 'FIFO',
};

export class TarWriter {
  readonly #output: Output;
  readonly #report: Report;
  readonly #onBytes: (lengthBytes: number) => void;
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  /** Name under which each file with several links was written first. */
  readonly #links = new Map<Mount, Map<number, string>>();
  #writtenBytes = 0;

  /** @param onBytes told the size of each file that is dealt with, holes included */
  constructor(output: Output, report: Report, onBytes: (lengthBytes: number) => void) {
    this.#output = output;
    this.#report = report;
    this.#onBytes = onBytes;
  }

  /** Adds one file. What cannot be archived is reported and left out. */
  add(entry: TreeEntry): void {
    const type = MEMBER_TYPES[entry.stats.type];
    if (type === undefined) {
      const message = `${entry.path} is left out: a ${entry.stats.type} has no place in an archive`;
      this.#report.warning({ detail: 'tar.left-out', message });
      return;
    }
    const name = memberName(entry);
    const linkName = this.#links.get(entry.mount)?.get(entry.stats.inode);
    if (linkName !== undefined) {
      this.#header(entry, 'Link', name, new PaxRecords(), 0, linkName);
      this.#onBytes(entry.stats.sizeBytes);
      return;
    }
    const records = new PaxRecords();
    try {
      addXattrs(records, entry);
      if (type === 'File') this.#file(entry, name, records);
      else if (type !== 'SymbolicLink') this.#header(entry, type, name, records, 0);
      else this.#header(entry, type, name, records, 0, runSync(entryLinkTarget(entry)));
      this.#remember(entry, name);
    } catch (error) {
      if (!(error instanceof DiskError) || error.context.guestPath === undefined) throw error;
      this.#report.error(error);
    }
  }

  /** Ends the archive. */
  end(): void {
    this.#write(PADDING.subarray(0, 2 * BLOCK_BYTES));
    this.#pad(RECORD_BYTES);
  }

  #file(entry: TreeEntry, name: string, records: PaxRecords): void {
    const file = runSync(openEntry(entry));
    const map = sparseMap(file);
    if (map === undefined) {
      this.#header(entry, 'File', name, records, file.sizeBytes);
      this.#regions(file, [{ offset: 0, lengthBytes: file.sizeBytes }]);
      this.#onBytes(file.sizeBytes);
      return;
    }
    records.add('GNU.sparse.major', '1');
    records.add('GNU.sparse.minor', '0');
    records.add('GNU.sparse.name', name);
    records.add('GNU.sparse.realsize', String(file.sizeBytes));
    const slash = name.lastIndexOf('/') + 1;
    const condensedName = `${name.slice(0, slash)}GNUSparseFile.0/${name.slice(slash)}`;
    this.#header(entry, 'File', condensedName, records, map.encoded.length + map.dataBytes);
    this.#write(map.encoded);
    this.#regions(file, map.regions);
    this.#onBytes(file.sizeBytes);
  }

  /**
   * Bytes of a file. The header has promised them: when they cannot be read, zeros take their
   * place, so that the members behind it can still be extracted.
   */
  #regions(file: FileHandle, regions: readonly DataRegion[]): void {
    let owedBytes = regions.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    try {
      for (const { offset, lengthBytes } of regions) {
        for (let done = 0; done < lengthBytes;) {
          const chunk = this.#buffer.subarray(0, Math.min(CHUNK_BYTES, lengthBytes - done));
          file.readSync(chunk, offset + done);
          this.#write(chunk);
          done += chunk.length;
          owedBytes -= chunk.length;
        }
      }
    } catch (error) {
      if (!(error instanceof DiskError) || error.context.guestPath === undefined) throw error;
      this.#report.error(error);
      for (; owedBytes > 0; owedBytes -= RECORD_BYTES) {
        this.#write(PADDING.subarray(0, Math.min(owedBytes, RECORD_BYTES)));
      }
    }
    this.#pad(BLOCK_BYTES);
  }

  #header(
    { stats }: TreeEntry,
    type: MemberType,
    name: string,
    records: PaxRecords,
    storedBytes: number,
    linkName?: string,
  ): void {
    const link = linkName === undefined ? {} : { linkName };
    this.#write(encodeMemberHeader({ type, name, storedBytes, stats, records, ...link }));
  }

  #remember({ mount, stats }: TreeEntry, name: string): void {
    if (stats.linkCount < 2 || stats.type === 'directory') return;
    const names = this.#links.get(mount) ?? new Map<number, string>();
    this.#links.set(mount, names.set(stats.inode, name));
  }

  #pad(unitBytes: number): void {
    const padding = alignUp(this.#writtenBytes, unitBytes) - this.#writtenBytes;
    if (padding > 0) this.#write(PADDING.subarray(0, padding));
  }

  #write(bytes: Uint8Array): void {
    this.#output.bytes(bytes);
    this.#writtenBytes += bytes.length;
  }
}

/** The path without the leading slash; `./` for the guest's root. */
function memberName({ path, stats }: TreeEntry): string {
  const name = path === '/' ? '.' : path.slice(1);
  return stats.type === 'directory' ? `${name}/` : name;
}

/** As star and GNU tar write them; `=` would end the keyword, so those two escape it. */
function addXattrs(records: PaxRecords, entry: TreeEntry): void {
  for (const [name, value] of runSync(entryXattrs(entry))) {
    const escaped = name.replaceAll('%', '%25').replaceAll('=', '%3D');
    records.add(`SCHILY.xattr.${escaped}`, value);
  }
}
