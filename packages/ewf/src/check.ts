/** Verifies an EWF image: every checksum that it has, and the digests of the whole disk. */
import { DiskError, toHex } from '@diskfile/bytes';
import {
  type CheckContext,
  type CheckReport,
  closeStorage,
  FindingList,
  type Hash,
  MappedReader,
  type Step,
  type Storage,
} from '@diskfile/core';
import type { AcquisitionSource } from './acquisition.ts';
import { ChunkPlace } from './chunk-tables.ts';
import type { EwfImage } from './image.ts';

/** Bytes that are read and hashed at a time. */
const GROUP_BYTES = 2 * 1024 * 1024;
const DIGESTS = ['md5', 'sha1'] as const;

export function* checkEwf(
  context: CheckContext,
  open: (source: AcquisitionSource) => Step<EwfImage>,
): Step<CheckReport> {
  if (context.repair !== undefined) {
    throw new DiskError('unsupported', 'ewf.no-repair', 'An EWF image is evidence, not repaired', {
      hint: 'Check it without repair; convert it to go on with what can be read.',
    });
  }
  const segments: Storage[] = [];
  try {
    const image = yield* open({
      storage: context.storage,
      decoders: context.decoders,
      limits: context.limits,
      warn: (warning) => context.warn(warning),
      *openNamed(file) {
        const storage = yield* context.openNamed(file);
        segments.push(storage);
        return storage;
      },
    });
    return yield* new Verification(image, context).run();
  } finally {
    for (const segment of segments) yield* closeStorage(segment);
  }
}

class Verification {
  readonly #image: EwfImage;
  readonly #context: CheckContext;
  readonly #reader: MappedReader;
  readonly #findings = new FindingList();
  #corruptions = 0;
  #compressedChunks = 0;
  /** Chunks that were not read for sure. */
  #damagedChunks = 0;

  constructor(image: EwfImage, context: CheckContext) {
    this.#image = image;
    this.#context = context;
    this.#reader = new MappedReader([image], context.limits);
  }

  *run(): Step<CheckReport> {
    const { tables, sizeBytes, storages, topology } = this.#image;
    const chunkCount = Math.ceil(sizeBytes / topology.clusterBytes);
    yield* this.#checkTables();
    yield* this.#checkContent();
    return {
      format: this.#image.format,
      checkErrors: 0,
      corruptions: this.#corruptions,
      corruptionsFixed: 0,
      leaks: 0,
      leaksFixed: 0,
      imageEndOffset: storages[0]!.sizeBytes,
      totalClusters: chunkCount,
      allocatedClusters: Math.min(chunkCount, tables.chunkCount),
      compressedClusters: this.#compressedChunks,
      fragmentedClusters: this.#compressedChunks,
      findings: this.#findings.listed,
      findingsOmitted: this.#findings.omitted,
    };
  }

  #report(detail: string, message: string, place: { hostOffset?: number; guestOffset?: number }) {
    this.#corruptions += 1;
    this.#findings.add(() => ({ kind: 'error', detail, message, ...place, repaired: false }));
  }

  /** A table that is damaged does no harm as long as its mirror is good. */
  *#checkTables(): Step<void> {
    for (const section of yield* this.#image.tables.damagedCopies()) {
      const { type, storage, offset } = section;
      const message = `The section "${type}" of ${storage.name} is damaged`;
      this.#report('ewf.table-checksum', message, { hostOffset: offset });
    }
  }

  *#checkContent(): Step<void> {
    const { sizeBytes, topology } = this.#image;
    const noted = this.#image.details();
    const hashes = DIGESTS.filter((name) => noted[name] !== undefined).map(
      (name): [(typeof DIGESTS)[number], Hash] => [name, this.#context.makeHash(name)],
    );
    const { clusterBytes: chunkBytes } = topology;
    const group = new Uint8Array(chunkBytes * Math.max(1, Math.floor(GROUP_BYTES / chunkBytes)));
    for (let at = 0; at < sizeBytes; at += group.length) {
      this.#context.onProgress({ done: at, total: sizeBytes });
      const bytes = group.subarray(0, Math.min(group.length, sizeBytes - at));
      if (!(yield* this.#tryRead(bytes, at))) yield* this.#readChunks(bytes, at);
      yield* this.#countCompressed(at, bytes.length);
      for (const [, hash] of hashes) hash.update(bytes);
    }
    this.#context.onProgress({ done: sizeBytes, total: sizeBytes });
    // With chunks missing the digests say nothing new.
    if (this.#damagedChunks > 0) return;
    for (const [name, hash] of hashes) this.#compare(name, noted[name]!, toHex(hash.digest()));
  }

  #compare(name: string, noted: string, actual: string): void {
    if (noted === actual) return;
    const message = `The ${name.toUpperCase()} of the disk is ${actual}, and the image notes ${noted}`;
    this.#report(`ewf.${name}`, message, {});
  }

  *#tryRead(bytes: Uint8Array, guestOffset: number): Step<boolean> {
    try {
      yield* this.#reader.readStep(bytes, guestOffset);
      return true;
    } catch (error) {
      if (error instanceof DiskError && error.code === 'corrupt') return false;
      throw error;
    }
  }

  /** Finds out which of several chunks are damaged. */
  *#readChunks(bytes: Uint8Array, guestOffset: number): Step<void> {
    const { clusterBytes: chunkBytes } = this.#image.topology;
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      try {
        yield* this.#reader.readStep(bytes.subarray(at, at + chunkBytes), guestOffset + at);
      } catch (error) {
        if (!(error instanceof DiskError) || error.code !== 'corrupt') throw error;
        this.#damagedChunks += 1;
        const { offset } = error.context;
        const place = { guestOffset: guestOffset + at };
        const host = offset === undefined ? {} : { hostOffset: offset };
        this.#report(error.detail, error.message, { ...place, ...host });
      }
    }
  }

  *#countCompressed(guestOffset: number, lengthBytes: number): Step<void> {
    const { tables, topology } = this.#image;
    const place = new ChunkPlace();
    const first = Math.floor(guestOffset / topology.clusterBytes);
    const end = Math.ceil((guestOffset + lengthBytes) / topology.clusterBytes);
    for (let chunk = first; chunk < Math.min(end, tables.chunkCount); chunk++) {
      try {
        if (!tables.find(chunk, place)) yield* tables.load(chunk);
      } catch (error) {
        if (error instanceof DiskError && error.code === 'corrupt') return;
        throw error;
      }
      if (tables.find(chunk, place) && place.isCompressed) this.#compressedChunks += 1;
    }
  }
}
