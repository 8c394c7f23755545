/**
 * An independent look at an image: does every refcount equal the number of references, and is no
 * cluster used for two things? Written against the specification, with nothing of the package.
 */
import type { Verdict } from '../subject/subject.ts';
import {
  offsetField,
  type Qcow2Layout,
  readBitmapTables,
  readLayout,
  readSnapshots,
  type TablePlace,
  u64,
} from './qcow2-layout.ts';

/** What a cluster is used for; with the number of the table or guest cluster it is its purpose. */
const USES = [
  'header',
  'refcount table',
  'refcount block',
  'L1 table',
  'snapshot table',
  'L1 table of snapshot',
  'L2 table',
  'guest cluster',
  'compressed data',
  'bitmap directory',
  'bitmap table',
  'bitmap data',
] as const;
type Use = (typeof USES)[number];

const HIGH_COPIED = 0x8000_0000;
const HIGH_COMPRESSED = 0x4000_0000;
const MAX_MESSAGES = 20;

class Verifier {
  readonly #layout: Qcow2Layout;
  readonly #references: Uint32Array;
  /** For each cluster what it is for: the number of its use times 2^32, and the index within. */
  readonly #purposes: Float64Array;
  readonly #errors: string[] = [];
  /** Clusters that the active tables name, with the flag that they are nobody else's. */
  readonly #copied: number[] = [];
  #isActive = true;

  constructor(image: Uint8Array) {
    this.#layout = readLayout(image);
    const clusters = Math.floor(this.#layout.view.byteLength / this.#layout.clusterBytes);
    this.#references = new Uint32Array(clusters);
    this.#purposes = new Float64Array(clusters).fill(-1);
  }

  run(): Verdict {
    const { view, clusterBytes, refcountTable, l1 } = this.#layout;
    this.#refer(0, clusterBytes, 'header', 0);
    const tableBytes = refcountTable.clusters * clusterBytes;
    this.#refer(refcountTable.offset, tableBytes, 'refcount table', 0);
    if (!this.#isThere(refcountTable.offset, tableBytes, 'refcount table')) {
      return { errors: this.#errors, leaks: [], isDirty: false };
    }
    for (let at = 0; at < tableBytes; at += 8) {
      const block = offsetField(view, refcountTable.offset + at);
      if (block !== 0) this.#refer(block, clusterBytes, 'refcount block', at / 8);
    }
    this.#refer(l1.offset, l1.entries * 8, 'L1 table', 0);
    this.#walkL1(l1);
    this.#isActive = false;
    this.#walkSnapshots();
    this.#walkBitmaps();
    return this.#compare();
  }

  #error(message: string): void {
    if (this.#errors.length < MAX_MESSAGES) this.#errors.push(message);
  }

  #refer(offset: number, lengthBytes: number, use: Use, index: number): void {
    const { clusterBytes } = this.#layout;
    const purpose = USES.indexOf(use) * 2 ** 32 + index;
    const first = Math.floor(offset / clusterBytes);
    const end = Math.ceil((offset + lengthBytes) / clusterBytes);
    if (end > this.#references.length) {
      return this.#error(`${use} ${index} lies beyond the end of the file`);
    }
    for (let cluster = first; cluster < end; cluster++) {
      const other = this.#purposes[cluster]!;
      if (other !== -1 && other !== purpose) {
        this.#error(`cluster ${cluster} is both ${describe(other)} and ${describe(purpose)}`);
      }
      this.#purposes[cluster] = purpose;
      this.#references[cluster]! += 1;
    }
  }

  #walkL1({ offset, entries }: TablePlace): void {
    if (!this.#isThere(offset, entries * 8, 'L1 table')) return;
    const { view, clusterBytes, extendedL2, fileBytes } = this.#layout;
    const step = extendedL2 ? 16 : 8;
    const perTable = clusterBytes / step;
    for (let index = 0; index < entries; index++) {
      const table = offsetField(view, offset + index * 8);
      if (table === 0) continue;
      if (table + clusterBytes > fileBytes) {
        this.#error(`L2 table ${index} lies beyond the end of the file`);
        continue;
      }
      this.#refer(table, clusterBytes, 'L2 table', index);
      this.#noteCopied(table, view.getUint32(offset + index * 8));
      for (let slot = 0; slot < perTable; slot++) {
        this.#walkL2Entry(table + slot * step, index * perTable + slot);
      }
    }
  }

  #walkL2Entry(at: number, guestCluster: number): void {
    const { view, clusterBytes, hasDataFile } = this.#layout;
    const high = view.getUint32(at);
    if ((high & HIGH_COMPRESSED) !== 0) {
      const lengthBits = Math.log2(clusterBytes) - 8;
      const offsetBits = 62 - lengthBits;
      const sectors = ((high & 0x3fff_ffff) >>> (offsetBits - 32)) + 1;
      const offsetHigh = high & (2 ** (offsetBits - 32) - 1);
      const offset = offsetHigh * 2 ** 32 + view.getUint32(at + 4);
      this.#refer(offset, sectors * 512 - (offset % 512), 'compressed data', 0);
      return;
    }
    const offset = offsetField(view, at);
    if (hasDataFile || offset === 0) return;
    if (offset % clusterBytes !== 0) this.#error(`guest cluster ${guestCluster} is not aligned`);
    this.#refer(offset, clusterBytes, 'guest cluster', guestCluster);
    this.#noteCopied(offset, high);
  }

  #isThere(offset: number, lengthBytes: number, use: Use): boolean {
    const isThere = offset + lengthBytes <= this.#layout.view.byteLength;
    if (!isThere) this.#error(`${use} at ${offset} lies beyond the end of the file`);
    return isThere;
  }

  #noteCopied(offset: number, high: number): void {
    if (!this.#isActive) return;
    const cluster = Math.floor(offset / this.#layout.clusterBytes);
    this.#copied.push((high & HIGH_COPIED) === 0 ? -1 - cluster : cluster);
  }

  #walkSnapshots(): void {
    const { snapshots } = this.#layout;
    if (snapshots.count === 0) return;
    const { list, lengthBytes } = readSnapshots(this.#layout);
    this.#refer(snapshots.offset, lengthBytes, 'snapshot table', 0);
    for (const [index, { l1 }] of list.entries()) {
      this.#refer(l1.offset, l1.entries * 8, 'L1 table of snapshot', index);
      this.#walkL1(l1);
    }
  }

  #walkBitmaps(): void {
    const { bitmaps, view, clusterBytes } = this.#layout;
    if (bitmaps === undefined) return;
    this.#refer(bitmaps.offset, bitmaps.lengthBytes, 'bitmap directory', 0);
    const tables = readBitmapTables(this.#layout, bitmaps);
    let data = 0;
    for (const [index, { offset, entries }] of tables.entries()) {
      if (!this.#isThere(offset, entries * 8, 'bitmap table')) continue;
      this.#refer(offset, entries * 8, 'bitmap table', index);
      for (let at = offset; at < offset + entries * 8; at += 8, data++) {
        const place = offsetField(view, at);
        if (place !== 0) this.#refer(place, clusterBytes, 'bitmap data', data);
      }
    }
  }

  #compare(): Verdict {
    const leaks: string[] = [];
    const { isDirty } = this.#layout;
    if (isDirty) return { errors: this.#errors, leaks, isDirty };
    const counts = this.#readRefcounts();
    for (const [cluster, references] of this.#references.entries()) {
      const count = counts.get(cluster) ?? 0;
      counts.delete(cluster);
      if (count < references) {
        const use = describe(this.#purposes[cluster]!);
        this.#error(`cluster ${cluster}, ${use}, is counted ${count} times, used ${references}`);
      } else if (count > references && leaks.length < MAX_MESSAGES) {
        leaks.push(`cluster ${cluster} is counted ${count} times, used ${references}`);
      }
      this.#references[cluster] = count;
    }
    for (const cluster of counts.keys()) leaks.push(`cluster ${cluster} lies beyond the file`);
    for (const noted of this.#copied) {
      const cluster = noted < 0 ? -1 - noted : noted;
      if (noted >= 0 === (this.#references[cluster] === 1)) continue;
      this.#error(`COPIED is wrong for cluster ${cluster}, ${describe(this.#purposes[cluster]!)}`);
    }
    return { errors: this.#errors, leaks, isDirty };
  }

  /** Refcounts other than zero, by cluster. */
  #readRefcounts(): Map<number, number> {
    const { view, clusterBytes, refcountBits, refcountTable } = this.#layout;
    const perBlock = (clusterBytes * 8) / refcountBits;
    const counts = new Map<number, number>();
    const entries = (refcountTable.clusters * clusterBytes) / 8;
    for (let index = 0; index < entries; index++) {
      const block = offsetField(view, refcountTable.offset + index * 8);
      if (block === 0 || block + clusterBytes > view.byteLength) continue;
      for (let slot = 0; slot < perBlock; slot++) {
        const count = readRefcount(view, block, slot, refcountBits);
        if (count > 0) counts.set(index * perBlock + slot, count);
      }
    }
    return counts;
  }
}

function readRefcount(view: DataView, block: number, slot: number, bits: number): number {
  if (bits === 16) return view.getUint16(block + slot * 2);
  if (bits === 8) return view.getUint8(block + slot);
  if (bits === 32) return view.getUint32(block + slot * 4);
  if (bits === 64) return u64(view, block + slot * 8);
  const byte = view.getUint8(block + Math.floor((slot * bits) / 8));
  return (byte >> ((slot * bits) % 8)) & ((1 << bits) - 1);
}

function describe(purpose: number): string {
  return `${USES[Math.floor(purpose / 2 ** 32)] ?? 'nothing'} ${purpose % 2 ** 32}`;
}

/**
 * The header, and the tables of snapshots and bitmaps, have to lie within the file. Of an image
 * whose dirty bit says that the refcounts are out of date, these are not compared.
 */
export function verifyQcow2(image: Uint8Array): Verdict {
  return new Verifier(image).run();
}
