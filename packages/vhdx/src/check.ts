/** Checks the block allocation table, and applies what a crash has left in the log. */
import { bitField, DiskError } from '@diskfile/bytes';
import {
  type CheckContext,
  type CheckFinding,
  type CheckReport,
  ClusterSet,
  FindingList,
  isWritable,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { BlockAllocationTable } from './bat.ts';
import { readHeader, type VhdxHeader } from './header.ts';
import { LogWriter } from './log-writer.ts';
import { readLog } from './log.ts';
import { readMetadata } from './metadata.ts';
import { readRegions, type Region } from './regions.ts';
import { ReplayedStorage } from './replayed-storage.ts';
import { MIB, PAYLOAD } from './structs.ts';

/** Of the table, read at a time. */
const CHUNK_BYTES = 64 * 1024;
const ENTRY_BYTES = 8;
const TWO_32 = 2 ** 32;
/** Offsets that QEMU can count with. */
const MAX_OFFSET = 2 ** 63;

/** What `FormatDriver.check` says. */
export function* checkVhdx(context: CheckContext): Step<CheckReport> {
  const header = yield* readHeader(context.storage);
  const replay = yield* readLog(context.storage, header, context.asQemu);
  const findings = new FindingList();
  let storage = context.storage;
  const isRepaired = replay !== undefined && context.repair !== undefined;
  if (isRepaired) {
    if (!isWritable(context.storage)) throw readOnly(context.storage.name);
    yield* new LogWriter(context.storage, header).applyReplay(replay);
  } else if (replay !== undefined) storage = new ReplayedStorage(context.storage, replay);
  if (replay !== undefined) {
    findings.add(() => ({
      kind: 'error',
      detail: 'vhdx.check.log',
      message: 'The log holds changes that were not applied when the disk was last written',
      hostOffset: header.logOffset,
      repaired: isRepaired,
    }));
  }
  const walk = new TableWalk(storage, header, { context, findings });
  yield* walk.run();
  return walk.report(isRepaired ? 1 : 0);
}

type Described = Omit<CheckFinding, 'repaired'>;

interface WalkParts {
  readonly context: CheckContext;
  readonly findings: FindingList;
}

/** One walk over the table, with counts as `qemu-img check` has them. */
class TableWalk {
  readonly #storage: Storage;
  readonly #header: VhdxHeader;
  readonly #context: CheckContext;
  readonly #findings: FindingList;
  /** By MiB of the file. */
  readonly #taken: ClusterSet;
  #table!: BlockAllocationTable;
  /** In the order in which QEMU compares them. */
  #regions: readonly Region[] = [];
  #corruptions = 0;
  #allocatedBlocks = 0;
  #fragmentedBlocks = 0;
  #lastEnd = 0;
  #imageEnd = 0;

  constructor(storage: Storage, header: VhdxHeader, { context, findings }: WalkParts) {
    this.#storage = storage;
    this.#header = header;
    this.#context = context;
    this.#findings = findings;
    this.#taken = new ClusterSet(context.limits.maxStructureBytes);
  }

  *run(): Step<void> {
    const { limits, onProgress } = this.#context;
    const regions = yield* readRegions(this.#storage);
    const metadata = yield* readMetadata(this.#storage, regions.metadata);
    const { logOffset, logBytes } = this.#header;
    const log = { offset: logOffset, lengthBytes: logBytes };
    this.#regions = [...regions.listed.toReversed(), log];
    this.#imageEnd = Math.max(...this.#regions.map((region) => region.offset + region.lengthBytes));
    this.#table = new BlockAllocationTable(this.#storage, metadata, regions.bat, limits);
    const total = this.#table.lengthBytes;
    for (let done = 0; done < total; done += CHUNK_BYTES) {
      const lengthBytes = Math.min(CHUNK_BYTES, total - done);
      const chunk = yield* readBytes(this.#storage, regions.bat.offset + done, lengthBytes);
      const view = new DataView(chunk.buffer, chunk.byteOffset, lengthBytes);
      for (let at = 0; at < lengthBytes; at += ENTRY_BYTES) {
        const low = view.getUint32(at, true);
        const offset = view.getUint32(at + 4, true) * TWO_32 + (low - (low % MIB));
        this.#lookAt((done + at) / ENTRY_BYTES, bitField(low, 0, 3), offset);
      }
      onProgress.call(this.#context, { done: done + lengthBytes, total });
    }
  }

  #lookAt(index: number, state: number, offset: number): void {
    const blockIndex = this.#table.blockOfEntry(index);
    if (blockIndex !== undefined) this.#lookAtState(index, blockIndex, state);
    const isThere = state === PAYLOAD.fullyPresent || state === PAYLOAD.partiallyPresent;
    if (!isThere) return;
    if (blockIndex !== undefined) this.#countBlock(offset);
    const lengthBytes = this.#lengthOf(blockIndex);
    const before = this.#corruptions;
    // QEMU does not know of blocks that are there in part.
    const isCounted = state === PAYLOAD.fullyPresent;
    this.#comparePlace(index, offset, { lengthBytes, isCounted });
    if (this.#corruptions === before) this.#take(index, offset, lengthBytes);
  }

  /** The last block need not be in the file beyond the end of the disk. */
  #lengthOf(blockIndex: number | undefined): number {
    const { blockBytes, blockCount, metadata } = this.#table;
    if (blockIndex === undefined) return MIB;
    if (blockIndex !== blockCount - 1) return blockBytes;
    return metadata.sizeBytes - blockIndex * blockBytes;
  }

  #countBlock(offset: number): void {
    const { blockBytes } = this.#table;
    this.#allocatedBlocks += 1;
    if (this.#lastEnd !== 0 && offset !== this.#lastEnd) this.#fragmentedBlocks += 1;
    this.#lastEnd = offset + blockBytes;
    if (offset < this.#storage.sizeBytes) {
      this.#imageEnd = Math.max(this.#imageEnd, offset + blockBytes);
    }
  }

  #lookAtState(index: number, blockIndex: number, state: number): void {
    const isKnown = state <= PAYLOAD.unmapped || state >= PAYLOAD.unmappedBefore;
    const isPartial = state === PAYLOAD.partiallyPresent && !this.#table.metadata.hasParent;
    if (isKnown && !isPartial) return;
    this.#list(index, {
      kind: 'error',
      detail: 'vhdx.check.block-state',
      message: isPartial
        ? `Block ${blockIndex} is there in part, and there is no parent for the rest`
        : `Block ${blockIndex} has the state ${state}, which does not exist`,
    });
  }

  #comparePlace(
    index: number,
    offset: number,
    { lengthBytes, isCounted }: { lengthBytes: number; isCounted: boolean },
  ): void {
    const { blockBytes } = this.#table;
    const fileBytes = this.#storage.sizeBytes;
    const found = (detail: string, message: string, genuineText: string) => {
      if (isCounted) this.#corruptions += 1;
      const genuine = isCounted ? { genuineText } : {};
      this.#list(index, { kind: 'error', detail, message, ...genuine });
    };
    const entry = `VHDX BAT entry ${index}`;
    const cut = `points after end of file (${fileBytes}). Image has probably been truncated.`;
    if (offset > MAX_OFFSET - 1 - blockBytes) {
      found('vhdx.check.block-place', `Entry ${index} names no place`, `${entry} offset overflow.`);
    }
    if (offset >= fileBytes) {
      const start = `${entry} start offset ${BigInt(offset)} ${cut}`;
      found('vhdx.check.file-cut', `Entry ${index} names a place beyond the file`, start);
      return;
    }
    // To QEMU, bitmaps are as large as blocks.
    const end = offset + (this.#table.blockOfEntry(index) === undefined ? blockBytes : lengthBytes);
    if (end > fileBytes) {
      const text = `${entry} end offset ${end - 1} ${cut}`;
      found('vhdx.check.file-cut', `What entry ${index} names goes on beyond the file`, text);
    }
    for (const region of this.#regions) {
      const regionEnd = region.offset + region.lengthBytes;
      if (offset >= regionEnd || offset + blockBytes <= region.offset) continue;
      const what = `VHDX region ${offset}-${offset + blockBytes}`;
      const text = `${what} overlaps with region ${region.offset}-${regionEnd}`;
      return found('vhdx.check.overlap', `Entry ${index} names a place of other metadata`, text);
    }
  }

  /** Blocks that share a place, or lie in the headers, are nothing to QEMU. */
  #take(index: number, offset: number, lengthBytes: number): void {
    const known = this.#taken.add(offset / MIB, Math.ceil(lengthBytes / MIB));
    if (known === 0 && offset > 0) return;
    this.#list(index, {
      kind: 'error',
      detail: 'vhdx.check.overlap',
      message:
        offset === 0
          ? `Entry ${index} names the place of the headers`
          : `What entry ${index} names lies where another block is`,
    });
  }

  #list(index: number, described: Described): void {
    const hostOffset = this.#table.region.offset + index * ENTRY_BYTES;
    this.#findings.add(() => ({ hostOffset, ...described, repaired: false }));
  }

  report(corruptionsFixed: number): CheckReport {
    return {
      format: 'vhdx',
      checkErrors: 0,
      corruptions: this.#corruptions,
      corruptionsFixed,
      leaks: 0,
      leaksFixed: 0,
      imageEndOffset: this.#imageEnd,
      totalClusters: this.#table.blockCount,
      allocatedClusters: this.#allocatedBlocks,
      compressedClusters: 0,
      fragmentedClusters: this.#fragmentedBlocks,
      findings: this.#findings.listed,
      findingsOmitted: this.#findings.omitted,
    };
  }
}

function readOnly(path: string): DiskError {
  return new DiskError('read-only', 'vhdx.storage-read-only', 'The disk can only be read', {
    path,
    hint: 'Check it without repairing it.',
  });
}
