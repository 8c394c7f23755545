/** A format made up for tests: clusters of any kind, tables that have to be loaded first. */
import { DiskError } from '@diskfile/bytes';
import {
  type Decoder,
  Extent,
  type ExtentKind,
  type FormatImage,
  MemoryStorage,
  type Step,
  type Storage,
} from '../../src/index.ts';

export const CLUSTER = 64;
export const TABLE_CLUSTERS = 4;

/** Encodes by adding one to every byte, behind a length byte; long enough to notice mistakes. */
export const plusOne: Decoder = {
  id: 'plus-one',
  decodeSync(src, dst) {
    if (src[0] !== dst.length) throw new DiskError('corrupt', 'test.length', 'wrong length');
    for (let at = 0; at < dst.length; at++) dst[at] = src[1 + at]! - 1;
  },
  async decode(src, dst) {
    await Promise.resolve();
    this.decodeSync(src, dst);
  },
};

export interface FakeCluster {
  readonly kind: ExtentKind;
  /** Position of the cluster's bytes in the host file, in units of `CLUSTER + 8` bytes. */
  readonly slot: number;
  readonly fill: number;
}

/** Counts closings and concurrent reads; otherwise memory. */
export class CountingStorage extends MemoryStorage {
  closings = 0;
  reads = 0;
  override readonly identity: undefined = undefined;

  override readSync(dst: Uint8Array, offset: number): void {
    this.reads += 1;
    super.readSync(dst, offset);
  }

  override closeSync(): void {
    this.closings += 1;
  }

  override async close(): Promise<void> {
    this.closings += 1;
  }
}

export class FakeImage implements FormatImage {
  readonly format = 'fake';
  readonly topology = {
    logicalSectorBytes: 512,
    physicalSectorBytes: 512,
    clusterBytes: CLUSTER,
  };
  readonly backing = undefined;
  readonly dataMayBeSparse = false;
  readonly storages: readonly Storage[];
  readonly #loaded = new Set<number>();
  readonly #clusters: readonly FakeCluster[];

  readonly sizeBytes: number;

  constructor(clusters: readonly FakeCluster[], sizeBytes = clusters.length * CLUSTER) {
    this.#clusters = clusters;
    this.sizeBytes = sizeBytes;
    this.storages = [new CountingStorage(hostBytes(clusters))];
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    const index = Math.floor(guestOffset / CLUSTER);
    if (!this.#loaded.has(Math.floor(index / TABLE_CLUSTERS))) return false;
    const cluster = this.#clusters[index]!;
    const skip = guestOffset - index * CLUSTER;
    const within = Math.min(lengthBytes, CLUSTER - skip);
    const storage = this.storages[0]!;
    const hostOffset = slotOffset(cluster.slot);
    if (cluster.kind === 'data') extent.setData(storage, hostOffset + skip, within);
    else if (cluster.kind === 'zero') extent.setZero(within);
    else if (cluster.kind === 'backing') extent.setBacking(within);
    else {
      const unit = {
        storage,
        hostOffset,
        encodedLengthBytes: CLUSTER + 1,
        unitLengthBytes: CLUSTER,
        decoder: plusOne,
      };
      extent.setEncoded(unit, skip, within);
    }
    return true;
  }

  *load(guestOffset: number): Step<void> {
    this.#loaded.add(Math.floor(guestOffset / CLUSTER / TABLE_CLUSTERS));
  }

  details() {
    return {};
  }

  /** The bytes as a byte-for-byte model, given what lies below. */
  model(below: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.sizeBytes);
    for (let at = 0; at < bytes.length; at++) {
      const cluster = this.#clusters[Math.floor(at / CLUSTER)]!;
      if (cluster.kind === 'backing') bytes[at] = below[at] ?? 0;
      else if (cluster.kind !== 'zero') bytes[at] = contentByte(cluster, at % CLUSTER);
    }
    return bytes;
  }
}

function slotOffset(slot: number): number {
  return slot * (CLUSTER + 8);
}

function contentByte(cluster: FakeCluster, at: number): number {
  return (cluster.fill + at * 7 + cluster.slot) % 256;
}

function hostBytes(clusters: readonly FakeCluster[]): Uint8Array {
  const slots = Math.max(0, ...clusters.map(({ slot }) => slot)) + 1;
  const bytes = new Uint8Array(slotOffset(slots));
  for (const cluster of clusters) {
    const start = slotOffset(cluster.slot);
    const encoded = cluster.kind === 'encoded';
    if (encoded) bytes[start] = CLUSTER;
    for (let at = 0; at < CLUSTER; at++) {
      const value = contentByte(cluster, at);
      bytes[start + at + (encoded ? 1 : 0)] = encoded ? value + 1 : value;
    }
  }
  return bytes;
}
