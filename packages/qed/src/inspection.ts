/** One walk over all tables of an image: what they name, what is wrong, and what of it is mended. */
import {
  type CheckFinding,
  type CheckProgress,
  ClusterSet,
  DirtyRange,
  FindingList,
  type Limits,
  readInto,
  type Step,
  type Storage,
  type WritableStorage,
  writeBytes,
} from '@diskfile/core';
import { hex } from './errors.ts';
import {
  isClusterPlace,
  isTablePlace,
  type QedHeader,
  tableBytes,
  wholeClusters,
} from './header.ts';
import { ZERO_CLUSTER } from './structs.ts';

/** Of a table, read at a time. */
const CHUNK_BYTES = 64 * 1024;
const ENTRY_BYTES = 8;
/** Above it an offset is no number that counts, and no file reaches there. */
const MAX_HIGH = 0x1f_ffff;

export interface InspectionOptions {
  readonly limits: Limits;
  /** Where entries that name no possible place are to be cleared; undefined to change nothing. */
  readonly mend: WritableStorage | undefined;
  onProgress?(progress: CheckProgress): void;
}

/** Counts as `qemu-img check` has them. */
export class Inspection {
  corruptions = 0;
  corruptionsFixed = 0;
  leaks = 0;
  allocatedClusters = 0;
  fragmentedClusters = 0;
  readonly findings = new FindingList();
  /** The first thing that is wrong and was not mended. */
  firstCorruption: CheckFinding | undefined;
  readonly #storage: Storage;
  readonly #header: QedHeader;
  readonly #options: InspectionOptions;
  readonly #end: number;
  readonly #used: ClusterSet;

  private constructor(storage: Storage, header: QedHeader, options: InspectionOptions) {
    this.#storage = storage;
    this.#header = header;
    this.#options = options;
    this.#end = wholeClusters(storage.sizeBytes, header);
    this.#used = new ClusterSet(options.limits.maxStructureBytes);
  }

  static *run(storage: Storage, header: QedHeader, options: InspectionOptions): Step<Inspection> {
    const inspection = new Inspection(storage, header, options);
    yield* inspection.#walkL1();
    inspection.#countLeaks();
    return inspection;
  }

  *#walkL1(): Step<void> {
    const { l1Offset, tableClusters } = this.#header;
    const total = tableBytes(this.#header);
    this.#use(l1Offset, tableClusters, () => 'The L1 table lies where something else is');
    for (let done = 0; done < total; done += CHUNK_BYTES) {
      this.#options.onProgress?.({ done, total });
      const chunk = yield* this.#read(l1Offset + done, total - done);
      if (chunk === undefined) continue;
      for (let at = 0; at < chunk.bytes.length; at += ENTRY_BYTES) {
        const offset = offsetAt(chunk, at);
        if (offset !== 0) yield* this.#walkL1Entry(chunk, at, offset);
      }
      yield* this.#writeBack(chunk);
    }
  }

  *#walkL1Entry(chunk: Chunk, at: number, offset: number): Step<void> {
    const { tableClusters } = this.#header;
    const entryOffset = chunk.hostOffset + at;
    if (!isTablePlace(this.#header, offset, this.#end)) {
      return this.#misplaced(chunk, at, {
        detail: 'qed.check.table-offset',
        message: `The L1 entry at ${hex(entryOffset)} names no place where a table can be`,
      });
    }
    const isOwn = this.#use(offset, tableClusters, () => {
      return `The L1 entry at ${hex(entryOffset)} names a table that something else uses as well`;
    });
    // Whatever such a table says belongs to something else.
    if (isOwn) yield* this.#walkL2(offset);
  }

  *#walkL2(tableOffset: number): Step<void> {
    const { clusterBytes } = this.#header;
    const total = tableBytes(this.#header);
    let next = 0;
    for (let done = 0; done < total; done += CHUNK_BYTES) {
      const chunk = yield* this.#read(tableOffset + done, total - done);
      if (chunk === undefined) continue;
      for (let at = 0; at < chunk.bytes.length; at += ENTRY_BYTES) {
        const offset = offsetAt(chunk, at);
        if (offset <= ZERO_CLUSTER) continue;
        this.allocatedClusters += 1;
        if (next !== 0 && offset !== next) this.fragmentedClusters += 1;
        next = offset + clusterBytes;
        this.#judgeCluster(chunk, at, offset);
      }
      yield* this.#writeBack(chunk);
    }
  }

  #judgeCluster(chunk: Chunk, at: number, offset: number): void {
    const entryOffset = chunk.hostOffset + at;
    if (isClusterPlace(this.#header, offset, this.#end)) {
      this.#use(offset, 1, () => {
        return `The L2 entry at ${hex(entryOffset)} names a cluster that something else uses as well`;
      });
      return;
    }
    this.#misplaced(chunk, at, {
      detail: 'qed.check.cluster-offset',
      message: `The L2 entry at ${hex(entryOffset)} names no place where a cluster can be`,
    });
  }

  /** Clears an entry, where that is wanted: nothing is lost with it. */
  #misplaced(chunk: Chunk, at: number, what: Pick<CheckFinding, 'detail' | 'message'>): void {
    const repaired = this.#options.mend !== undefined;
    if (repaired) {
      this.corruptionsFixed += 1;
      chunk.bytes.fill(0, at, at + ENTRY_BYTES);
      chunk.dirty.add(at, at + ENTRY_BYTES, chunk.bytes.length);
    } else this.corruptions += 1;
    this.#found({ kind: 'error', ...what, hostOffset: chunk.hostOffset + at, repaired });
  }

  #found(finding: CheckFinding): void {
    if (!finding.repaired) this.firstCorruption ??= finding;
    this.findings.add(() => finding);
  }

  /** Whether clusters were not in use before. */
  #use(hostOffset: number, clusters: number, describe: () => string): boolean {
    const known = this.#used.add(hostOffset / this.#header.clusterBytes, clusters);
    if (known === 0) return true;
    this.corruptions += known;
    const message = describe();
    this.#found({
      kind: 'error',
      detail: 'qed.check.used-twice',
      message,
      hostOffset,
      repaired: false,
    });
    return false;
  }

  #countLeaks(): void {
    const { clusterBytes, headerClusters } = this.#header;
    const clusters = this.#end / clusterBytes - headerClusters;
    this.leaks = Math.max(0, clusters - this.#used.size);
    if (this.leaks === 0) return;
    this.findings.add(() => ({
      kind: 'leak',
      detail: 'qed.check.leaks',
      message: `${this.leaks} clusters of the file are not in use`,
      repaired: false,
    }));
  }

  /** A part of a table; undefined for a hole of the file, which names nothing. */
  *#read(hostOffset: number, lengthBytes: number): Step<Chunk | undefined> {
    const length = Math.min(lengthBytes, CHUNK_BYTES);
    const range = this.#storage.hostRangeSync?.(hostOffset, length);
    if (range?.data === false && range.lengthBytes >= length) return undefined;
    const bytes = yield* readInto(this.#storage, new Uint8Array(length), hostOffset);
    return { hostOffset, bytes, view: new DataView(bytes.buffer), dirty: new DirtyRange() };
  }

  *#writeBack({ hostOffset, bytes, dirty }: Chunk): Step<void> {
    const { mend } = this.#options;
    if (mend === undefined || dirty.isEmpty) return;
    yield* writeBytes(mend, bytes.subarray(dirty.from, dirty.to), hostOffset + dirty.from);
  }
}

interface Chunk {
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly dirty: DirtyRange;
}

/** Infinity for what is no number that counts, and no offset in any file. */
function offsetAt({ view }: Chunk, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high > MAX_HIGH ? Infinity : high * 2 ** 32 + view.getUint32(at, true);
}
