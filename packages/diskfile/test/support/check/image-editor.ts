/** Pokes into the metadata of a qcow2 image, by the names of the specification. */
const OFFSET = 0x00ff_ffff_ffff_fe00n;
export const COPIED = 1n << 63n;
export const COMPRESSED = 1n << 62n;
export const ZERO = 1n;

export class ImageEditor {
  bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get #view(): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
  }

  u16(at: number): number {
    return this.#view.getUint16(at);
  }

  u32(at: number): number {
    return this.#view.getUint32(at);
  }

  u64(at: number): bigint {
    return this.#view.getBigUint64(at);
  }

  setU16(at: number, value: number): void {
    this.#view.setUint16(at, value);
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  setU64(at: number, value: bigint | number): void {
    this.#view.setBigUint64(at, BigInt(value));
  }

  get clusterBytes(): number {
    return 2 ** this.u32(20);
  }

  /** The file in whole clusters. */
  get clusters(): number {
    return Math.ceil(this.bytes.length / this.clusterBytes);
  }

  get entryBytes(): number {
    return this.u32(4) === 3 && (this.u64(72) & 16n) !== 0n ? 16 : 8;
  }

  get refcountBits(): number {
    return this.u32(4) === 3 ? 2 ** this.u32(96) : 16;
  }

  get refcountTable(): number {
    return Number(this.u64(48));
  }

  get l1(): number {
    return Number(this.u64(40));
  }

  get snapshots(): number {
    return Number(this.u64(64));
  }

  refcountBlock(index: number): number {
    return Number(this.u64(this.refcountTable + index * 8));
  }

  l2(index = 0, l1 = this.l1): number {
    return Number(this.u64(l1 + index * 8) & OFFSET);
  }

  /** Where the entry of a guest cluster lies. */
  entryAt(guestCluster: number, l1 = this.l1): number {
    const perTable = this.clusterBytes / this.entryBytes;
    const table = this.l2(Math.floor(guestCluster / perTable), l1);
    return table + (guestCluster % perTable) * this.entryBytes;
  }

  entry(guestCluster: number): bigint {
    return this.u64(this.entryAt(guestCluster));
  }

  setEntry(guestCluster: number, entry: bigint | number): void {
    this.setU64(this.entryAt(guestCluster), entry);
  }

  /** Host offset of a guest cluster. */
  host(guestCluster: number): number {
    return Number(this.entry(guestCluster) & OFFSET);
  }

  setBitmap(guestCluster: number, bitmap: bigint): void {
    this.setU64(this.entryAt(guestCluster) + 8, bitmap);
  }

  /** Where the refcount of the cluster at a host offset lies; for 8 bits and more. */
  #refcountAt(hostOffset: number): number {
    const cluster = Math.floor(hostOffset / this.clusterBytes);
    const perBlock = (this.clusterBytes * 8) / this.refcountBits;
    const block = this.refcountBlock(Math.floor(cluster / perBlock));
    return block + ((cluster % perBlock) * this.refcountBits) / 8;
  }

  setRefcount(hostOffset: number, count: number): void {
    const at = this.#refcountAt(hostOffset);
    const bits = this.refcountBits;
    if (bits >= 8) {
      for (
        let byte = bits / 8 - 1, rest = count;
        byte >= 0;
        byte--, rest = Math.floor(rest / 256)
      ) {
        this.bytes[at + byte] = rest % 256;
      }
      return;
    }
    const unit = 2 ** ((at * 8) % 8);
    const index = Math.floor(at);
    const old = Math.floor(this.bytes[index]! / unit) % 2 ** bits;
    this.bytes[index]! += (count - old) * unit;
  }

  /** Where a snapshot's entry in the table lies. */
  snapshotAt(index: number): number {
    let at = this.snapshots;
    for (let each = 0; each < index; each++) {
      const lengthBytes = 40 + this.u32(at + 36) + this.u16(at + 12) + this.u16(at + 14);
      at = Math.ceil((at + lengthBytes) / 8) * 8;
    }
    return at;
  }

  snapshotL1(index: number): number {
    return Number(this.u64(this.snapshotAt(index)));
  }

  /** Where the data of a header extension begins. */
  extension(type: number): number {
    for (let at = this.u32(100); at < this.clusterBytes;) {
      if (this.u32(at) === type) return at + 8;
      at += 8 + Math.ceil(this.u32(at + 4) / 8) * 8;
    }
    throw new Error('no such header extension');
  }

  /** Where the bitmap directory lies. */
  get bitmapDirectory(): number {
    return Number(this.u64(this.extension(0x2385_2875) + 16));
  }

  resize(lengthBytes: number): void {
    const bytes = new Uint8Array(lengthBytes);
    bytes.set(this.bytes.subarray(0, lengthBytes));
    this.bytes = bytes;
  }
}
