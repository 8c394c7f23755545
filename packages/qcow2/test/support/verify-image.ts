/**
 * An independent look at an image: does every refcount equal the number of references, and is no
 * cluster used for two things? Written against the specification, with nothing of the package.
 */

export interface Verdict {
  /** What must never be: a refcount that is too low, an overlap, a wrong COPIED flag. */
  readonly errors: string[];
  /** Clusters that are counted more often than they are used. */
  readonly leaks: string[];
}

interface Header {
  readonly view: DataView;
  readonly clusterBytes: number;
  readonly extended: boolean;
  readonly external: boolean;
  readonly refcountBits: number;
}

const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;
const BITMAPS_EXTENSION = 0x2385_2875;

/** One use of a cluster: what for, and by which state of the disk. */
interface Use {
  readonly role: 'metadata' | 'L2 table' | 'data' | 'compressed';
  /** 0 is the active state, snapshots follow. */
  readonly tree: number;
  readonly what: string;
}

class Verifier {
  readonly #header: Header;
  readonly #uses = new Map<number, Use[]>();
  readonly #copied: [cluster: number, copied: boolean, what: string][] = [];
  readonly #errors: string[] = [];

  constructor(image: Uint8Array) {
    const clusterBytes = 2 ** new DataView(image.buffer, image.byteOffset).getUint32(20);
    // Bytes beyond the end of the file read as zeros.
    const padded = new Uint8Array(image.length + 2 * clusterBytes);
    padded.set(image);
    const view = new DataView(padded.buffer);
    const version = view.getUint32(4);
    const features = version === 3 ? view.getBigUint64(72) : 0n;
    this.#header = {
      view,
      clusterBytes,
      extended: (features & 16n) !== 0n,
      external: (features & 4n) !== 0n,
      refcountBits: version === 3 ? 2 ** view.getUint32(96) : 16,
    };
  }

  run(): Verdict {
    const { view, clusterBytes } = this.#header;
    this.#use(0, clusterBytes, 'header');
    const refcountTable = Number(view.getBigUint64(48));
    const tableBytes = view.getUint32(56) * clusterBytes;
    this.#use(refcountTable, tableBytes, 'refcount table');
    for (let at = 0; at < tableBytes; at += 8) {
      const block = Number(view.getBigUint64(refcountTable + at));
      if (block !== 0) this.#use(block, clusterBytes, `refcount block ${at / 8}`);
    }
    this.#walkL1(0, Number(view.getBigUint64(40)), view.getUint32(36));
    this.#walkSnapshots();
    this.#walkBitmaps();
    return this.#compare(refcountTable, tableBytes);
  }

  #walkSnapshots(): void {
    const { view } = this.#header;
    const table = Number(view.getBigUint64(64));
    const snapshots = view.getUint32(60);
    let at = table;
    for (let tree = 1; tree <= snapshots; tree++) {
      at = Math.ceil(at / 8) * 8;
      this.#walkL1(tree, Number(view.getBigUint64(at)), view.getUint32(at + 8));
      const extra = view.getUint32(at + 36);
      if (extra !== 24) this.#errors.push(`snapshot ${tree} has ${extra} bytes of extra data`);
      at += 40 + extra + view.getUint16(at + 12) + view.getUint16(at + 14);
    }
    if (snapshots > 0) this.#use(table, at - table, 'snapshot table');
  }

  #walkBitmaps(): void {
    const { view } = this.#header;
    const known = view.getUint32(4) === 3 && (view.getBigUint64(88) & 1n) !== 0n;
    let extension = known ? view.getUint32(100) : 0;
    while (extension > 0 && view.getUint32(extension) !== BITMAPS_EXTENSION) {
      const next = extension + 8 + Math.ceil(view.getUint32(extension + 4) / 8) * 8;
      extension = view.getUint32(extension) === 0 ? 0 : next;
    }
    if (extension === 0) {
      if (known) this.#errors.push('bitmaps are announced and there are none');
      return;
    }
    const length = Number(view.getBigUint64(extension + 16));
    const directory = Number(view.getBigUint64(extension + 24));
    this.#use(directory, length, 'bitmap directory');
    let count = 0;
    for (let at = directory; at < directory + length; count++) {
      this.#walkBitmap(at);
      at += Math.ceil((24 + view.getUint16(at + 18) + view.getUint32(at + 20)) / 8) * 8;
    }
    if (count !== view.getUint32(extension + 8)) this.#errors.push(`${count} bitmaps are there`);
  }

  #walkBitmap(entry: number): void {
    const { view, clusterBytes } = this.#header;
    const table = Number(view.getBigUint64(entry));
    const entries = view.getUint32(entry + 8);
    const name = `bitmap entry 0x${entry.toString(16)}`;
    const bits = Math.ceil(Number(view.getBigUint64(24)) / 2 ** view.getUint8(entry + 17));
    const inUse = view.getUint32(entry + 12) % 2 === 1;
    if (!inUse && entries !== Math.ceil(bits / 8 / clusterBytes)) {
      this.#errors.push(`the table of ${name} has ${entries} entries`);
    }
    this.#use(table, entries * 8, `table of ${name}`);
    for (let at = table; at < table + entries * 8; at += 8) {
      const cluster = Number(view.getBigUint64(at));
      if (cluster > 1) this.#use(cluster, clusterBytes, `bits of ${name}`);
    }
  }

  #use(offset: number, length: number, what: string, role: Use['role'] = 'metadata', tree = 0) {
    const { clusterBytes } = this.#header;
    for (let at = Math.floor(offset / clusterBytes); at * clusterBytes < offset + length; at++) {
      const uses = this.#uses.get(at) ?? [];
      uses.push({ role, tree, what });
      this.#uses.set(at, uses);
    }
  }

  #walkL1(tree: number, l1: number, entries: number): void {
    const { view, clusterBytes, extended } = this.#header;
    const step = extended ? 16 : 8;
    const name = tree === 0 ? '' : ` of snapshot ${tree}`;
    this.#use(l1, entries * 8, `L1 table${name}`);
    for (let index = 0; index < entries; index++) {
      const entry = view.getBigUint64(l1 + index * 8);
      const table = Number(entry & OFFSET_MASK);
      if (table === 0) continue;
      if (table + clusterBytes > view.byteLength) {
        this.#errors.push(`L2 table ${index}${name} lies beyond the file`);
        continue;
      }
      this.#use(table, clusterBytes, `L2 table ${index}${name}`, 'L2 table', tree);
      this.#noteFlag(tree, table, entry, `L1 entry ${index}`);
      for (let at = 0; at < clusterBytes; at += step) {
        this.#walkL2Entry(tree, table + at, `${index}${name}`);
      }
    }
  }

  /** Flags are kept right in the active state only. */
  #noteFlag(tree: number, offset: number, entry: bigint, what: string): void {
    if (tree > 0) return;
    this.#copied.push([offset / this.#header.clusterBytes, (entry & COPIED) !== 0n, what]);
  }

  #walkL2Entry(tree: number, at: number, table: string): void {
    const { view, clusterBytes, external } = this.#header;
    const entry = view.getBigUint64(at);
    const what = `L2 entry at 0x${at.toString(16)} of table ${table}`;
    if ((entry & COMPRESSED) !== 0n) {
      const shift = BigInt(62 - (Math.log2(clusterBytes) - 8));
      const offset = Number(entry & ((1n << shift) - 1n));
      const sectors = Number((entry & (COMPRESSED - 1n)) >> shift) + 1;
      this.#use(offset, sectors * 512 - (offset % 512), what, 'compressed', tree);
      return;
    }
    const offset = Number(entry & OFFSET_MASK);
    if (external || offset === 0) return;
    if (offset % clusterBytes !== 0) this.#errors.push(`${what} is not aligned`);
    this.#use(offset, clusterBytes, what, 'data', tree);
    this.#noteFlag(tree, offset, entry, what);
  }

  #compare(refcountTable: number, tableBytes: number): Verdict {
    const leaks: string[] = [];
    const counted = this.#readRefcounts(refcountTable, tableBytes);
    for (const [cluster, uses] of this.#uses) {
      const count = counted.get(cluster) ?? 0;
      if (count < uses.length) {
        this.#errors.push(`cluster ${cluster} is counted ${count} times: ${namesOf(uses)}`);
      }
      if (overlaps(uses)) this.#errors.push(`cluster ${cluster} overlaps: ${namesOf(uses)}`);
    }
    for (const [cluster, count] of counted) {
      const uses = this.#uses.get(cluster)?.length ?? 0;
      if (count > uses) leaks.push(`cluster ${cluster} is counted ${count} times, used ${uses}`);
    }
    for (const [cluster, copied, what] of this.#copied) {
      if (copied !== (counted.get(cluster) === 1)) this.#errors.push(`COPIED is wrong: ${what}`);
    }
    return { errors: this.#errors, leaks };
  }

  #readRefcounts(refcountTable: number, tableBytes: number): Map<number, number> {
    const { view, clusterBytes, refcountBits } = this.#header;
    const perBlock = (clusterBytes * 8) / refcountBits;
    const counted = new Map<number, number>();
    for (let index = 0; index * 8 < tableBytes; index++) {
      const block = Number(view.getBigUint64(refcountTable + index * 8));
      if (block === 0) continue;
      for (let slot = 0; slot < perBlock; slot++) {
        const count = readBits(view, block, slot, refcountBits);
        if (count > 0) counted.set(index * perBlock + slot, count);
      }
    }
    return counted;
  }
}

/** Whether a cluster is used for different things, or twice by the same state of the disk. */
function overlaps(uses: readonly Use[]): boolean {
  const { role } = uses[0]!;
  if (uses.length === 1) return false;
  if (uses.some((use) => use.role !== role) || role === 'metadata') return true;
  if (role === 'compressed') return false;
  return new Set(uses.map((use) => use.tree)).size < uses.length;
}

function namesOf(uses: readonly Use[]): string {
  return uses.map(({ what }) => what).join(', ');
}

function readBits(view: DataView, block: number, slot: number, bits: number): number {
  if (bits < 8) {
    const byte = view.getUint8(block + Math.floor((slot * bits) / 8));
    return (byte >> ((slot * bits) % 8)) & ((1 << bits) - 1);
  }
  let value = 0;
  for (let at = 0; at < bits / 8; at++) {
    value = value * 256 + view.getUint8(block + (slot * bits) / 8 + at);
  }
  return value;
}

/** Looks at the active state and at all snapshots. */
export function verifyImage(image: Uint8Array): Verdict {
  return new Verifier(image).run();
}
