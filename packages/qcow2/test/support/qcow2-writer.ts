/** Writes tiny qcow2 images from a description, and says what a reader must find in them. */
import { deflateRawSync } from 'node:zlib';
import { type ClusterSpec, contentOf, type Kind } from './content.ts';
import { writeU16be, writeU32be, writeU64be } from '@diskfile/bytes';

export interface ExtensionSpec {
  readonly type: number;
  readonly data: Uint8Array;
}

export interface SnapshotSpec {
  readonly id: string;
  readonly name: string;
  readonly clusters: readonly ClusterSpec[];
  /** Left out, the entry has no extra data, as very old images. */
  readonly diskSizeBytes?: number;
  readonly icount?: number;
  readonly vmStateBytes?: number;
}

export interface ImageSpec {
  readonly version?: 2 | 3;
  readonly clusterBits?: number;
  readonly extendedL2?: boolean;
  readonly zstd?: boolean;
  readonly refcountOrder?: number;
  readonly sizeBytes?: number;
  readonly clusters: readonly ClusterSpec[];
  /** Order in which guest clusters get their host clusters; by default that of the guest. */
  readonly placement?: readonly number[];
  readonly cryptMethod?: number;
  readonly backing?: string;
  readonly extensions?: readonly ExtensionSpec[];
  readonly incompatible?: number;
  readonly compatible?: number;
  readonly autoclear?: number;
  readonly snapshots?: readonly SnapshotSpec[];
  /** True to put data clusters into a file of their own, guest offset for guest offset. */
  readonly dataFile?: boolean;
}

export interface WrittenImage {
  readonly bytes: Uint8Array;
  readonly dataFile: Uint8Array;
  readonly clusterBytes: number;
  readonly sizeBytes: number;
  readonly l1Offset: number;
  /** Host offset of the L2 entry that maps a guest cluster of the active state. */
  readonly l2EntryOffset: (clusterIndex: number) => number;
}

export const EXTENSION = {
  backingFormat: 0xe279_2aca,
  featureNames: 0x6803_f857,
  bitmaps: 0x2385_2875,
  encryptionHeader: 0x0537_be77,
  dataFileName: 0x4441_5441,
} as const;

const encoder = new TextEncoder();
const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;

class Writer {
  readonly clusterBytes: number;
  readonly dataParts = new Map<number, Uint8Array>();
  readonly #spec: ImageSpec;
  #bytes = new Uint8Array(0);
  #end = 0;

  constructor(spec: ImageSpec) {
    this.#spec = spec;
    this.clusterBytes = 2 ** (spec.clusterBits ?? 9);
  }

  /** Room for whole clusters; their offset. */
  allocate(lengthBytes: number): number {
    const offset = this.#end;
    this.#end += Math.ceil(lengthBytes / this.clusterBytes) * this.clusterBytes;
    if (this.#end > this.#bytes.length) {
      const grown = new Uint8Array(this.#end * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return offset;
  }

  put(offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offset);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#end);
  }

  /** Writes the clusters and tables of one state of the disk. */
  writeMapping(clusters: readonly ClusterSpec[], entriesAtLeast: number) {
    const { clusterBytes } = this;
    const entryBytes = this.#spec.extendedL2 === true ? 16 : 8;
    const perTable = clusterBytes / entryBytes;
    const l1Entries = Math.max(1, entriesAtLeast, Math.ceil(clusters.length / perTable));
    const l1Offset = this.allocate(l1Entries * 8);
    const tables = new Map<number, number>();
    const order = this.#spec.placement ?? clusters.map((_, index) => index);
    for (const index of order) {
      const cluster = clusters[index];
      if (cluster === undefined) continue;
      const table = Math.floor(index / perTable);
      if (isEmpty(cluster) && !tables.has(table)) continue;
      if (!tables.has(table)) {
        tables.set(table, this.allocate(clusterBytes));
        this.#putEntry(l1Offset + table * 8, COPIED, tables.get(table)!);
      }
      const at = tables.get(table)! + (index % perTable) * entryBytes;
      this.#writeEntry(at, index, cluster);
    }
    const l2EntryOffset = (index: number) =>
      tables.get(Math.floor(index / perTable))! + (index % perTable) * entryBytes;
    return { l1Offset, l1Entries, l2EntryOffset };
  }

  #writeEntry(at: number, index: number, cluster: ClusterSpec): void {
    const content = contentOf(cluster.fill, this.clusterBytes);
    if (cluster.kind === 'compressed') {
      const [offset, sectors] = this.#writeCompressed(content);
      const shift = BigInt(62 - ((this.#spec.clusterBits ?? 9) - 8));
      this.#putEntry(at, COMPRESSED | (BigInt(sectors) << shift), offset);
      return;
    }
    const kinds = cluster.subclusters ?? [cluster.kind];
    const hosted = kinds.some((kind) => kind === 'data' || kind === 'zero-ready');
    const offset = hosted ? this.#writeData(index, content) : 0;
    const zeroFlag = this.#spec.extendedL2 !== true && cluster.kind.startsWith('zero') ? 1n : 0n;
    this.#putEntry(at, (hosted ? COPIED : 0n) | zeroFlag, offset);
    if (this.#spec.extendedL2 !== true) return;
    const all = cluster.subclusters ?? Array.from({ length: 32 }, () => cluster.kind);
    const word = (match: (kind: Kind) => boolean) =>
      all.reduce((sum, kind, bit) => sum + (match(kind) ? 2 ** bit : 0), 0);
    writeU32be(
      this.#bytes,
      at + 8,
      word((kind) => kind.startsWith('zero')),
    );
    writeU32be(
      this.#bytes,
      at + 12,
      word((kind) => kind === 'data'),
    );
  }

  #putEntry(at: number, flags: bigint, offset: number): void {
    new DataView(this.#bytes.buffer).setBigUint64(at, flags | BigInt(offset));
  }

  #writeData(index: number, content: Uint8Array): number {
    if (this.#spec.dataFile === true) {
      this.dataParts.set(index, content);
      return index * this.clusterBytes;
    }
    const offset = this.allocate(this.clusterBytes);
    this.put(offset, content);
    return offset;
  }

  /** Offset, in the middle of a sector, and the number of further sectors. */
  #writeCompressed(content: Uint8Array): [offset: number, sectors: number] {
    const encoded = deflateRawSync(content, { windowBits: 12 });
    const offset = this.allocate(encoded.length + 100) + 100;
    this.put(offset, encoded);
    return [offset, Math.floor((offset + encoded.length - 1) / 512) - Math.floor(offset / 512)];
  }
}

function isEmpty({ kind, subclusters }: ClusterSpec): boolean {
  return kind === 'unallocated' && subclusters === undefined;
}

/** Builds an image; see {@link ImageSpec}. */
export function writeQcow2(spec: ImageSpec): WrittenImage {
  const writer = new Writer(spec);
  const { clusterBytes } = writer;
  const sizeBytes = spec.sizeBytes ?? spec.clusters.length * clusterBytes;
  const header = writer.allocate(clusterBytes);
  const refcountTable = writer.allocate(clusterBytes);
  const coverage = (clusterBytes / (spec.extendedL2 === true ? 16 : 8)) * clusterBytes;
  const mapping = writer.writeMapping(spec.clusters, Math.ceil(sizeBytes / coverage));
  const snapshots = writeSnapshots(writer, spec.snapshots ?? [], coverage);
  const fields = new Uint8Array(clusterBytes);
  writeHeader(fields, spec, {
    sizeBytes,
    refcountTable,
    ...mapping,
    snapshots,
  });
  writer.put(header, fields);
  const dataFile = new Uint8Array(spec.dataFile === true ? spec.clusters.length * clusterBytes : 0);
  for (const [index, content] of writer.dataParts) dataFile.set(content, index * clusterBytes);
  return {
    bytes: writer.finish(),
    dataFile,
    clusterBytes,
    sizeBytes,
    l1Offset: mapping.l1Offset,
    l2EntryOffset: mapping.l2EntryOffset,
  };
}

interface Layout {
  readonly sizeBytes: number;
  readonly refcountTable: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly snapshots: number;
}

function writeHeader(bytes: Uint8Array, spec: ImageSpec, layout: Layout): void {
  const version = spec.version ?? 3;
  writeU32be(bytes, 0, 0x5146_49fb);
  writeU32be(bytes, 4, version);
  writeU32be(bytes, 20, spec.clusterBits ?? 9);
  writeU64be(bytes, 24, layout.sizeBytes);
  writeU32be(bytes, 32, spec.cryptMethod ?? 0);
  writeU32be(bytes, 36, layout.l1Entries);
  writeU64be(bytes, 40, layout.l1Offset);
  writeU64be(bytes, 48, layout.refcountTable);
  writeU32be(bytes, 56, 1);
  writeU32be(bytes, 60, spec.snapshots?.length ?? 0);
  writeU64be(bytes, 64, layout.snapshots);
  let at = 72;
  if (version === 3) {
    const features =
      (spec.incompatible ?? 0) +
      (spec.dataFile === true ? 4 : 0) +
      (spec.zstd === true ? 8 : 0) +
      (spec.extendedL2 === true ? 16 : 0);
    writeU64be(bytes, 72, features);
    writeU64be(bytes, 80, spec.compatible ?? 0);
    writeU64be(bytes, 88, spec.autoclear ?? 0);
    writeU32be(bytes, 96, spec.refcountOrder ?? 4);
    writeU32be(bytes, 100, 112);
    bytes[104] = spec.zstd === true ? 1 : 0;
    at = 112;
  }
  for (const { type, data } of spec.extensions ?? []) {
    writeU32be(bytes, at, type);
    writeU32be(bytes, at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  }
  if (spec.backing !== undefined) {
    const name = encoder.encode(spec.backing);
    writeU64be(bytes, 8, at + 8);
    writeU32be(bytes, 16, name.length);
    bytes.set(name, at + 8);
  }
}

function writeSnapshots(
  writer: Writer,
  snapshots: readonly SnapshotSpec[],
  coverage: number,
): number {
  if (snapshots.length === 0) return 0;
  const records = snapshots.map((snapshot) => {
    const size = snapshot.diskSizeBytes ?? 0;
    const mapping = writer.writeMapping(snapshot.clusters, Math.ceil(size / coverage));
    return snapshotRecord(snapshot, mapping.l1Offset, mapping.l1Entries);
  });
  const offset = writer.allocate(records.reduce((sum, { length }) => sum + length, 0));
  let at = offset;
  for (const record of records) {
    writer.put(at, record);
    at += record.length;
  }
  return offset;
}

function snapshotRecord(spec: SnapshotSpec, l1Offset: number, l1Entries: number): Uint8Array {
  const id = encoder.encode(spec.id);
  const name = encoder.encode(spec.name);
  const extraBytes = spec.diskSizeBytes === undefined ? 0 : spec.icount === undefined ? 16 : 24;
  const length = Math.ceil((40 + extraBytes + id.length + name.length) / 8) * 8;
  const bytes = new Uint8Array(length);
  writeU64be(bytes, 0, l1Offset);
  writeU32be(bytes, 8, l1Entries);
  writeU16be(bytes, 12, id.length);
  writeU16be(bytes, 14, name.length);
  writeU32be(bytes, 16, 1_700_000_000);
  writeU32be(bytes, 20, 5);
  writeU64be(bytes, 24, 2 ** 60);
  writeU32be(bytes, 32, spec.vmStateBytes ?? 0);
  writeU32be(bytes, 36, extraBytes);
  if (extraBytes > 0) {
    writeU64be(bytes, 40, spec.vmStateBytes ?? 0);
    writeU64be(bytes, 48, spec.diskSizeBytes!);
  }
  if (spec.icount !== undefined) writeU64be(bytes, 56, spec.icount);
  bytes.set(id, 40 + extraBytes);
  bytes.set(name, 40 + extraBytes + id.length);
  return bytes;
}
