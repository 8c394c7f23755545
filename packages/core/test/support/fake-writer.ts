/**
 * A made-up format that can be written: clusters of any kind, tables that have to be loaded and may
 * be pushed out again, and a writer that notices whenever the engine breaks its contract.
 */
import { DiskError } from '@diskfile/bytes';
import {
  type Allocation,
  type Extent,
  type FormatImage,
  hostCall,
  type ImageWriter,
  MemoryStorage,
  type Step,
  type Storage,
} from '../../src/index.ts';
import { CLUSTER, plusOne } from './fake-image.ts';

const TABLE_CLUSTERS = 4;
/** Longest run that one allocation gives. */
const MAX_RUN = 3;
/** What fresh host space holds, unless it is said to read as zeros. */
const STALE = 0xdd;

/** Memory whose asynchronous work takes a while, and whose n-th write can be made to fail. */
export class TroubledStorage extends MemoryStorage {
  writesUntilFailure = Infinity;
  flushes = 0;
  #ticks = 0;

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await this.#delay();
    this.readSync(dst, offset);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await this.#delay();
    this.writeSync(src, offset);
  }

  override writeSync(src: Uint8Array, offset: number): void {
    this.writesUntilFailure -= 1;
    if (this.writesUntilFailure === 0) throw new DiskError('io', 'test.host', 'the host fails');
    super.writeSync(src, offset);
  }

  override flushSync(): void {
    this.flushes += 1;
  }

  override async flush(): Promise<void> {
    await this.#delay();
    this.flushSync();
  }

  /** Different each time, so that work overtakes other work. */
  async #delay(): Promise<void> {
    this.#ticks = (this.#ticks * 5 + 3) % 16;
    for (let tick = 0; tick <= this.#ticks; tick++) await Promise.resolve();
  }
}

export type ClusterKind = 'data' | 'zero' | 'backing' | 'encoded';

interface Cluster {
  kind: ClusterKind;
  /** Where its bytes lie; -1 where it has none. */
  hostOffset: number;
}

export interface WritableImageOptions {
  readonly clusters: readonly ClusterKind[];
  /** Bytes of the last cluster that are not part of the disk. */
  readonly cutBytes?: number;
  readonly freshReadsAsZero?: boolean;
  /** Whether allocations of different clusters may be under way beside each other. */
  readonly inTeams?: boolean;
}

export class WritableFakeImage implements FormatImage {
  readonly format = 'fake';
  readonly topology = { logicalSectorBytes: 1, physicalSectorBytes: 1, clusterBytes: CLUSTER };
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storage = new TroubledStorage();
  readonly storages: readonly Storage[] = [this.storage];
  readonly sizeBytes: number;
  readonly writer: FakeWriter;
  readonly clusters: Cluster[];
  readonly #loaded = new Set<number>();

  constructor(options: WritableImageOptions) {
    const { clusters, cutBytes = 0, freshReadsAsZero = false, inTeams = false } = options;
    this.sizeBytes = clusters.length * CLUSTER - cutBytes;
    this.writer = new FakeWriter(this, { freshReadsAsZero, inTeams });
    this.clusters = clusters.map((kind, index) => {
      if (kind === 'zero' || kind === 'backing') return { kind, hostOffset: -1 };
      const bytes = new Uint8Array(CLUSTER).fill(index + 100);
      const stored = kind === 'data' ? bytes : Uint8Array.of(CLUSTER, ...bytes.map((b) => b + 1));
      const hostOffset = this.storage.sizeBytes;
      this.storage.writeSync(stored, hostOffset);
      return { kind, hostOffset };
    });
  }

  /** The content by which the image begins, given what lies below. */
  model(below: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.sizeBytes);
    for (let at = 0; at < bytes.length; at++) {
      const index = Math.floor(at / CLUSTER);
      const { kind } = this.clusters[index]!;
      if (kind === 'backing') bytes[at] = below[at] ?? 0;
      else if (kind !== 'zero') bytes[at] = index + 100;
    }
    return bytes;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const index = Math.floor(guestOffset / CLUSTER);
    if (!this.isLoaded(guestOffset)) return false;
    const { kind, hostOffset } = this.clusters[index]!;
    const skip = guestOffset - index * CLUSTER;
    const within = Math.min(lengthBytes, CLUSTER - skip);
    if (kind === 'data') extent.setData(this.storage, hostOffset + skip, within);
    else if (kind === 'zero') extent.setZero(within);
    else if (kind === 'backing') extent.setBacking(within);
    else {
      const unit = {
        storage: this.storage,
        hostOffset,
        encodedLengthBytes: CLUSTER + 1,
        unitLengthBytes: CLUSTER,
        decoder: plusOne,
      };
      extent.setEncoded(unit, skip, within);
    }
    return true;
  }

  isLoaded(guestOffset: number): boolean {
    return this.#loaded.has(tableOf(guestOffset));
  }

  /** Two tables fit into memory. */
  *load(guestOffset: number): Step<void> {
    yield* pause();
    this.#loaded.add(tableOf(guestOffset));
    for (const table of this.#loaded) {
      if (this.#loaded.size > 2 && table !== tableOf(guestOffset)) this.#loaded.delete(table);
    }
  }

  details() {
    return {};
  }
}

function tableOf(guestOffset: number): number {
  return Math.floor(guestOffset / CLUSTER / TABLE_CLUSTERS);
}

function* pause(): Step<void> {
  yield* hostCall(
    () => {},
    async () => {},
  );
}

class FakeWriter implements ImageWriter {
  readonly unitBytes = CLUSTER;
  readonly blockBytes?: number;
  /** Allocations that were neither committed nor cancelled. */
  outstanding = 0;
  /** The most of them that there were at a time. */
  mostOutstanding = 0;
  closings = 0;
  reclaims = 0;
  failCommit = false;
  readonly #image: WritableFakeImage;
  readonly #freshReadsAsZero: boolean;
  #isInside = false;
  #free: number[] = [];
  #freed: number[] = [];
  readonly #flushed: number[][] = [];

  constructor(
    image: WritableFakeImage,
    { freshReadsAsZero, inTeams }: { freshReadsAsZero: boolean; inTeams: boolean },
  ) {
    this.#image = image;
    this.#freshReadsAsZero = freshReadsAsZero;
    if (inTeams) this.blockBytes = CLUSTER;
  }

  lookupWritable(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    if (!this.#image.lookup(guestOffset, lengthBytes, extent)) return false;
    if (extent.kind !== 'data') extent.setBacking(extent.lengthBytes);
    return true;
  }

  /** Runs a method alone, and says so when the engine calls another one meanwhile. */
  *#alone<T>(body: () => Step<T>): Step<T> {
    if (this.#isInside) throw new Error('contract broken: two calls at a time');
    this.#isInside = true;
    try {
      yield* pause();
      return yield* body();
    } finally {
      this.#isInside = false;
    }
  }

  allocate(guestOffset: number, lengthBytes: number): Step<Allocation> {
    return this.#alone(() => this.#allocate(guestOffset, lengthBytes));
  }

  *#allocate(guestOffset: number, lengthBytes: number): Step<Allocation> {
    const first = Math.floor(guestOffset / CLUSTER);
    const wanted = Math.ceil((guestOffset + lengthBytes) / CLUSTER) - first;
    const reused = this.#free.pop();
    const count = reused === undefined ? Math.min(wanted, MAX_RUN) : 1;
    const { storage } = this.#image;
    const hostOffset = reused ?? storage.sizeBytes;
    const readsAsZero = reused === undefined && this.#freshReadsAsZero;
    if (reused === undefined) {
      const { writesUntilFailure } = storage;
      storage.writesUntilFailure = Infinity;
      storage.writeSync(new Uint8Array(count * CLUSTER).fill(readsAsZero ? 0 : STALE), hostOffset);
      storage.writesUntilFailure = writesUntilFailure;
    }
    this.outstanding += 1;
    this.mostOutstanding = Math.max(this.mostOutstanding, this.outstanding);
    const offsets = Array.from({ length: count }, (_, index) => hostOffset + index * CLUSTER);
    return {
      storage,
      hostOffset,
      guestOffset: first * CLUSTER,
      lengthBytes: count * CLUSTER,
      readsAsZero,
      commit: () => this.#alone(() => this.#commit(first, offsets)),
      cancel: () =>
        this.#alone(() => {
          this.outstanding -= 1;
          this.#free.push(...offsets);
          return pause();
        }),
    };
  }

  *#commit(first: number, hostOffsets: readonly number[]): Step<void> {
    yield* pause();
    this.outstanding -= 1;
    if (this.failCommit) throw new DiskError('io', 'test.commit', 'the commit fails');
    for (const [index, hostOffset] of hostOffsets.entries()) {
      this.#unlink(first + index);
      this.#image.clusters[first + index] = { kind: 'data', hostOffset };
    }
  }

  #unlink(index: number): void {
    const { kind, hostOffset } = this.#image.clusters[index]!;
    if (kind === 'data') this.#freed.push(hostOffset);
  }

  writeZeroes(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    return this.#alone(() => this.#zero(guestOffset, lengthBytes, mayUnmap));
  }

  /** One cluster at a time; only whole ones, and only where space may go. */
  *#zero(guestOffset: number, lengthBytes: number, mayUnmap: boolean): Step<number> {
    if (!mayUnmap || guestOffset % CLUSTER !== 0 || lengthBytes < CLUSTER) return 0;
    this.#unlink(guestOffset / CLUSTER);
    this.#image.clusters[guestOffset / CLUSTER] = { kind: 'zero', hostOffset: -1 };
    return CLUSTER;
  }

  discard(guestOffset: number, lengthBytes: number): Step<void> {
    return this.#alone(() => this.#discard(guestOffset, lengthBytes));
  }

  *#discard(guestOffset: number, lengthBytes: number): Step<void> {
    const end = Math.floor((guestOffset + lengthBytes) / CLUSTER);
    for (let index = Math.ceil(guestOffset / CLUSTER); index < end; index++) {
      this.#unlink(index);
      this.#image.clusters[index] = { kind: 'zero', hostOffset: -1 };
    }
  }

  flush(): Step<void> {
    return this.#alone(() => this.#flush());
  }

  *#flush(): Step<void> {
    const { storage } = this.#image;
    yield* hostCall(
      () => storage.flushSync(),
      () => storage.flush(),
    );
    this.#flushed.push(this.#freed);
    this.#freed = [];
  }

  /** What is reused is spoilt at once, so that a read which still looks at it shows. */
  reclaim(): void {
    if (this.#isInside) throw new Error('contract broken: reclaimed during a call');
    this.reclaims += 1;
    const offsets = this.#flushed.shift();
    if (offsets === undefined) throw new Error('contract broken: more reclaimed than flushed');
    for (const offset of offsets) {
      this.#image.storage.bytes.fill(STALE, offset, offset + CLUSTER);
    }
    this.#free = [...offsets, ...this.#free];
  }

  *close(): Step<void> {
    this.closings += 1;
  }
}
