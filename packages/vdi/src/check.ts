/** Checks the block map: does every block have a place of its own, and is the header's count right? */
import { DiskError } from '@diskfile/bytes';
import {
  type CheckContext,
  type CheckFinding,
  type CheckReport,
  ClusterSet,
  FindingList,
  readBytes,
  type Step,
} from '@diskfile/core';
import { ALLOCATED_AT, checkTables, HEADER_BYTES, parseHeader, type VdiHeader } from './header.ts';
import { BLOCK_FREE, BLOCK_ZERO } from './structs.ts';

/** Of the map, read at a time. */
const CHUNK_BYTES = 64 * 1024;
const ENTRY_BYTES = 4;

/** What `FormatDriver.check` says. */
export function* checkVdi(context: CheckContext): Step<CheckReport> {
  if (context.repair !== undefined) throw notRepaired();
  const head = yield* readBytes(context.storage, 0, HEADER_BYTES);
  const header = parseHeader(head);
  checkTables(header, context.limits);
  const walk = new MapWalk(header, context);
  yield* walk.run();
  return walk.report();
}

type Described = Omit<CheckFinding, 'repaired'>;

/** One walk over the map, with counts as `qemu-img check` has them. */
class MapWalk {
  readonly #header: VdiHeader;
  readonly #context: CheckContext;
  readonly #places: ClusterSet;
  readonly #findings = new FindingList();
  #corruptions = 0;
  #allocatedBlocks = 0;
  #fragmentedBlocks = 0;
  #usedPlaces = 0;
  #lastPlace = -1;

  constructor(header: VdiHeader, context: CheckContext) {
    this.#header = header;
    this.#context = context;
    this.#places = new ClusterSet(context.limits.maxStructureBytes);
  }

  *run(): Step<void> {
    const { storage, onProgress } = this.#context;
    const { mapOffset, blockCount } = this.#header;
    const total = blockCount * ENTRY_BYTES;
    for (let done = 0; done < total; done += CHUNK_BYTES) {
      const lengthBytes = Math.min(CHUNK_BYTES, total - done);
      const chunk = yield* readBytes(storage, mapOffset + done, lengthBytes);
      const view = new DataView(chunk.buffer, chunk.byteOffset, lengthBytes);
      for (let at = 0; at < lengthBytes; at += ENTRY_BYTES) {
        this.#lookAt((done + at) / ENTRY_BYTES, view.getUint32(at, true));
      }
      onProgress.call(this.#context, { done: done + lengthBytes, total });
    }
    this.#compareCount();
  }

  #lookAt(blockIndex: number, entry: number): void {
    if (entry === BLOCK_FREE || entry === BLOCK_ZERO) return;
    const { blockCount, mapOffset, blockBytes } = this.#header;
    const where = {
      hostOffset: mapOffset + blockIndex * ENTRY_BYTES,
      guestOffset: blockIndex * blockBytes,
    };
    if (entry >= blockCount) {
      return this.#corruption({
        kind: 'error',
        detail: 'vdi.check.map-entry',
        message: `The map puts block ${blockIndex} at place ${entry} of ${blockCount}`,
        genuineText: `ERROR: block index ${blockIndex} too large, is ${entry}`,
        ...where,
      });
    }
    this.#allocatedBlocks += 1;
    if (entry !== this.#lastPlace + 1) this.#fragmentedBlocks += 1;
    this.#lastPlace = entry;
    this.#usedPlaces = Math.max(this.#usedPlaces, entry + 1);
    if (this.#places.add(entry) > 0) {
      return this.#corruption({
        kind: 'error',
        detail: 'vdi.check.map-duplicate',
        message: `The map gives block ${blockIndex} place ${entry}, which another block has`,
        genuineText: `ERROR: block index ${entry} also used by ${entry}`,
        ...where,
      });
    }
    this.#lookForEnd(blockIndex, entry, where.guestOffset);
  }

  /** QEMU does not mind; what lies beyond the end reads as zeros. */
  #lookForEnd(blockIndex: number, place: number, guestOffset: number): void {
    const end = this.#endOf(place + 1);
    if (end <= this.#context.storage.sizeBytes) return;
    this.#list({
      kind: 'error',
      detail: 'vdi.check.file-cut',
      message: `Block ${blockIndex} goes on beyond the end of the file`,
      hostOffset: end,
      guestOffset,
    });
  }

  /**
   * Other programs put their next block where the count says. With more than there are, space is
   * lost, as after a crash; with fewer, that would be where a block is already.
   */
  #compareCount(): void {
    const { allocatedBlocks: counted } = this.#header;
    const used = this.#allocatedBlocks;
    if (counted === used) return;
    this.#corruption({
      kind: counted >= this.#usedPlaces ? 'leak' : 'error',
      detail: 'vdi.check.allocated-count',
      message: `The header counts ${counted} blocks, and the map has ${used}`,
      genuineText: `ERROR: allocated blocks mismatch, is ${used}, should be ${counted}`,
      hostOffset: ALLOCATED_AT,
    });
  }

  #corruption(described: Described): void {
    this.#corruptions += 1;
    this.#list(described);
  }

  #list(described: Described): void {
    this.#findings.add(() => ({ ...described, repaired: false }));
  }

  #endOf(places: number): number {
    const { dataOffset, blockBytes, blockExtraBytes } = this.#header;
    return dataOffset + places * (blockBytes + blockExtraBytes);
  }

  report(): CheckReport {
    return {
      format: 'vdi',
      checkErrors: 0,
      corruptions: this.#corruptions,
      corruptionsFixed: 0,
      leaks: 0,
      leaksFixed: 0,
      imageEndOffset: this.#endOf(this.#usedPlaces),
      totalClusters: this.#header.blockCount,
      allocatedClusters: this.#allocatedBlocks,
      compressedClusters: 0,
      fragmentedClusters: this.#fragmentedBlocks,
      findings: this.#findings.listed,
      findingsOmitted: this.#findings.omitted,
    };
  }
}

function notRepaired(): DiskError {
  return new DiskError('unsupported', 'check.no-repair', 'VDI images are checked, not repaired', {
    hint: 'Whoever opens the image for writing sets its count of blocks right; convert it otherwise.',
  });
}
