/**
 * Verifies a UDIF image: every chunk is decoded, and compared with the checksums of the disk's parts
 * and of the file.
 */
import { crc32Raw, DiskError, writeU32be, xorBits } from '@diskfile/bytes';
import {
  type CheckContext,
  type CheckReport,
  FindingList,
  MappedReader,
  quote,
  readInto,
  type Step,
} from '@diskfile/core';
import type { DiskPart } from './chunk-table.ts';
import type { DmgImage, ImageSource } from './image.ts';
import { ENTRY_TYPE, SECTOR_BYTES } from './structs.ts';
import type { Checksum } from './trailer.ts';

/** Bytes that are read at a time. */
const BUFFER_BYTES = 1024 * 1024;
const ALL_ONES = 0xffff_ffff;
/** What concerns a chunk, and not the whole image. */
const READING_FAILURES: ReadonlySet<string> = new Set(['corrupt', 'unsupported', 'limit']);

export function* checkDmg(
  context: CheckContext,
  open: (source: ImageSource) => Step<DmgImage>,
): Step<CheckReport> {
  if (context.repair !== undefined) {
    throw new DiskError('unsupported', 'dmg.no-repair', 'A DMG image cannot be repaired', {
      hint: 'Check it without repair; convert it to go on with what can be read.',
    });
  }
  return yield* new Verification(yield* open(context), context).run();
}

class Verification {
  readonly #image: DmgImage;
  readonly #context: CheckContext;
  readonly #reader: MappedReader;
  readonly #findings = new FindingList();
  readonly #buffer: Uint8Array;
  #corruptions = 0;
  #allocated = 0;
  #compressed = 0;

  constructor(image: DmgImage, context: CheckContext) {
    this.#image = image;
    this.#context = context;
    this.#reader = new MappedReader([image], context.limits);
    const { sizeBytes } = image.storages[0]!;
    this.#buffer = new Uint8Array(Math.min(BUFFER_BYTES, Math.max(sizeBytes, image.sizeBytes)));
  }

  *run(): Step<CheckReport> {
    const { sizeBytes, storages } = this.#image;
    for (const part of this.#image.chunks.parts) yield* this.#checkPart(part);
    yield* this.#checkDataFork();
    this.#checkMaster();
    this.#context.onProgress({ done: sizeBytes, total: sizeBytes });
    return {
      format: this.#image.format,
      checkErrors: 0,
      corruptions: this.#corruptions,
      corruptionsFixed: 0,
      leaks: 0,
      leaksFixed: 0,
      imageEndOffset: storages[0]!.sizeBytes,
      totalClusters: sizeBytes / SECTOR_BYTES,
      allocatedClusters: this.#allocated,
      compressedClusters: this.#compressed,
      fragmentedClusters: this.#compressed,
      findings: this.#findings.listed,
      findingsOmitted: this.#findings.omitted,
    };
  }

  #report(detail: string, message: string, place: { hostOffset?: number; guestOffset?: number }) {
    this.#corruptions += 1;
    this.#findings.add(() => ({ kind: 'error', detail, message, ...place, repaired: false }));
  }

  /** Reads a part chunk by chunk. */
  *#checkPart(part: DiskPart): Step<void> {
    const end = Math.min(part.firstSector + part.sectorCount, this.#image.sizeBytes / SECTOR_BYTES);
    let crc = ALL_ONES;
    let isWhole = true;
    for (let sector = part.firstSector; sector < end;) {
      this.#context.onProgress({ done: sector * SECTOR_BYTES, total: this.#image.sizeBytes });
      const index = this.#image.chunks.find(sector);
      const chunkEnd =
        index === -1
          ? end
          : this.#image.chunks.firstSector(index) + this.#image.chunks.sectorCount(index);
      const upTo = Math.min(end, chunkEnd);
      const next = yield* this.#readSectors(index, sector, upTo, crc);
      if (next === undefined) isWhole = false;
      else crc = next;
      sector = upTo;
    }
    if (isWhole && part.checksum?.type === 'crc32') {
      const actual = hexOf(crc);
      if (actual === part.checksum.value) return;
      const message = `The checksum of ${quote(part.name)} is ${actual}, and the image notes ${part.checksum.value}`;
      this.#report('dmg.part-checksum', message, { guestOffset: part.firstSector * SECTOR_BYTES });
    }
  }

  /** Returns the checksum with the sectors in it; undefined when they cannot be read. */
  *#readSectors(index: number, sector: number, end: number, crc: number): Step<number | undefined> {
    const type = index === -1 ? undefined : this.#image.chunks.type(index);
    if (type === ENTRY_TYPE.ignore) return crc;
    let register = crc;
    let at = sector * SECTOR_BYTES;
    try {
      while (at < end * SECTOR_BYTES) {
        const bytes = this.#buffer.subarray(0, Math.min(BUFFER_BYTES, end * SECTOR_BYTES - at));
        yield* this.#reader.readStep(bytes, at);
        register = crc32Raw(bytes, register);
        at += bytes.length;
      }
    } catch (error) {
      if (!(error instanceof DiskError) || !READING_FAILURES.has(error.code)) throw error;
      const { offset } = error.context;
      const host = offset === undefined ? {} : { hostOffset: offset };
      this.#report(error.detail, error.message, { guestOffset: sector * SECTOR_BYTES, ...host });
      return undefined;
    }
    if (type !== ENTRY_TYPE.zero) this.#allocated += end - sector;
    if (type !== ENTRY_TYPE.zero && type !== ENTRY_TYPE.raw) this.#compressed += end - sector;
    return register;
  }

  *#checkDataFork(): Step<void> {
    const { dataChecksum, dataFork } = this.#image.trailer;
    if (dataChecksum?.type !== 'crc32') return;
    const storage = this.#image.storages[0]!;
    const end = dataFork.offset + dataFork.lengthBytes;
    if (end > storage.sizeBytes) {
      this.#report('dmg.truncated', 'The data fork lies past the end of the file', {
        hostOffset: dataFork.offset,
      });
      return;
    }
    let crc = ALL_ONES;
    for (let at = dataFork.offset; at < end; at += BUFFER_BYTES) {
      const bytes = this.#buffer.subarray(0, Math.min(BUFFER_BYTES, end - at));
      crc = crc32Raw(yield* readInto(storage, bytes, at), crc);
    }
    this.#compare('dmg.data-checksum', 'data fork', dataChecksum, hexOf(crc));
  }

  /** The master checksum is one of the checksums of all parts, one behind the other. */
  #checkMaster(): void {
    const { masterChecksum } = this.#image.trailer;
    const { parts } = this.#image.chunks;
    if (masterChecksum?.type !== 'crc32') return;
    if (parts.some(({ checksum }) => checksum?.type !== 'crc32')) return;
    const all = new Uint8Array(parts.length * 4);
    for (const [index, { checksum }] of parts.entries()) {
      writeU32be(all, index * 4, Number.parseInt(checksum!.value, 16));
    }
    const actual = hexOf(crc32Raw(all, ALL_ONES));
    this.#compare('dmg.master-checksum', 'checksums', masterChecksum, actual);
  }

  #compare(detail: string, what: string, noted: Checksum, actual: string): void {
    if (noted.value === actual) return;
    const message = `The checksum of the ${what} is ${actual}, and the image notes ${noted.value}`;
    this.#report(detail, message, {});
  }
}

/** The CRC whose register is given, as it stands in the image. */
function hexOf(register: number): string {
  return xorBits(register, ALL_ONES).toString(16).padStart(8, '0');
}
