/** Finding a usable copy of a GPT: the primary one, or else the backup. */
import { crc32, DiskError, readU64le } from '@diskfile/bytes';
import { type ByteSource, type Limits, readBytes, type Step } from '@diskfile/core';
import { type GptHeader, hasGptSignature, parseGptHeader, PRIMARY_HEADER_LBA } from './header.ts';

const ALTERNATE_LBA_AT = 32;

/** One of the two copies of the table, with both of its checksums right. */
export interface GptCopy {
  readonly header: GptHeader;
  readonly entryArray: Uint8Array;
  readonly sectorBytes: number;
}

/** Why one sector did not yield a usable copy. */
interface Fault {
  readonly copy: 'primary' | 'backup';
  /** Of the sector, in bytes. */
  readonly offset: number;
  readonly cause: DiskError;
}

export class GptSearch {
  readonly #source: ByteSource;
  readonly #limits: Limits;
  /** What is wrong with the copies that were tried; a sector without a signature says little. */
  readonly #faults: Fault[] = [];
  /** Where damaged primaries say that their backup is. */
  readonly #alternates = new Map<number, number>();

  constructor(source: ByteSource, limits: Limits) {
    this.#source = source;
    this.#limits = limits;
  }

  /** Why the primary copy is not used, as the end of a sentence. */
  get primaryFault(): string {
    return messageOf(this.#faultOf('primary'));
  }

  *findPrimary(sizes: readonly number[]): Step<GptCopy | undefined> {
    for (const sectorBytes of sizes) {
      const copy = yield* this.#tryCopy(PRIMARY_HEADER_LBA, sectorBytes);
      if (copy !== undefined) return copy;
    }
    return undefined;
  }

  /** Looks in the last sector, then where a damaged primary header says: a disk may have grown. */
  *findBackup(sizes: readonly number[]): Step<GptCopy | undefined> {
    for (const sectorBytes of sizes) {
      const lastLba = Math.floor(this.#source.sizeBytes / sectorBytes) - 1;
      const alternateLba = this.#alternates.get(sectorBytes) ?? lastLba;
      for (const lba of new Set([lastLba, alternateLba])) {
        if (lba <= PRIMARY_HEADER_LBA) continue;
        const copy = yield* this.#tryCopy(lba, sectorBytes);
        if (copy !== undefined) return copy;
      }
    }
    return undefined;
  }

  bothDamaged(): DiskError {
    const { offset, cause } = this.#faultOf('primary') ?? {};
    return new DiskError(
      'corrupt',
      'gpt.no-usable-copy',
      `The MBR announces a GPT, but no copy of it is usable: primary, ${this.primaryFault}; ` +
        `backup, ${messageOf(this.#faultOf('backup'))}`,
      {
        format: 'gpt',
        ...(offset === undefined ? {} : { offset }),
        hint: 'If the disk was cut short, copy it again; gdisk can rebuild a table.',
        cause,
      },
    );
  }

  #faultOf(copy: Fault['copy']): Fault | undefined {
    const faults = this.#faults.filter((fault) => fault.copy === copy);
    return faults.find(({ cause }) => cause.detail !== 'gpt.header-signature') ?? faults[0];
  }

  /** The copy whose header is in sector `lba`; undefined, and the fault noted, when it is no good. */
  *#tryCopy(lba: number, sectorBytes: number): Step<GptCopy | undefined> {
    if ((lba + 1) * sectorBytes > this.#source.sizeBytes) return undefined;
    try {
      return yield* this.#readCopy(lba, sectorBytes);
    } catch (error) {
      if (!isFault(error)) throw error;
      const copy = lba === PRIMARY_HEADER_LBA ? 'primary' : 'backup';
      this.#faults.push({ copy, offset: lba * sectorBytes, cause: error });
      return undefined;
    }
  }

  *#readCopy(lba: number, sectorBytes: number): Step<GptCopy> {
    const sector = yield* readBytes(this.#source, lba * sectorBytes, sectorBytes);
    if (lba === PRIMARY_HEADER_LBA && hasGptSignature(sector)) {
      this.#alternates.set(sectorBytes, readU64le(sector, ALTERNATE_LBA_AT, 'AlternateLBA'));
    }
    const header = parseGptHeader(sector, lba);
    const entryArray = yield* this.#readEntryArray(header, sectorBytes);
    return { header, entryArray, sectorBytes };
  }

  *#readEntryArray(header: GptHeader, sectorBytes: number): Step<Uint8Array> {
    const { entryCount, entryBytes, partitionEntryLba } = header;
    const offset = partitionEntryLba * sectorBytes;
    const lengthBytes = entryCount * entryBytes;
    if (offset + lengthBytes > this.#source.sizeBytes) {
      throw new DiskError(
        'corrupt',
        'gpt.entries-beyond-disk',
        `the entries at sector ${partitionEntryLba} reach beyond the disk`,
      );
    }
    if (lengthBytes > this.#limits.maxStructureBytes) {
      throw new DiskError(
        'limit',
        'gpt.entries-too-long',
        `the entries take ${lengthBytes} bytes, more than limits.maxStructureBytes allows`,
      );
    }
    const entryArray = yield* readBytes(this.#source, offset, lengthBytes);
    if (crc32(entryArray) !== header.entryArrayCrc32) {
      throw new DiskError('corrupt', 'gpt.entries-crc', 'the entries do not match their checksum');
    }
    return entryArray;
  }
}

/** What makes one copy useless and leaves hope for the other. A failing host is no such thing. */
function isFault(error: unknown): error is DiskError {
  return (
    error instanceof DiskError &&
    (error.code === 'corrupt' || error.code === 'unsupported' || error.code === 'limit')
  );
}

function messageOf(fault: Fault | undefined): string {
  return fault === undefined ? 'the disk is too small for one' : fault.cause.message;
}
