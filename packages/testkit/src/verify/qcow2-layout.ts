/** Where things are in a qcow2 image. Written against the specification, for {@link verifyQcow2}. */

export interface Qcow2Layout {
  readonly view: DataView;
  /** Bytes that are really there; the view has zeros behind them. */
  readonly fileBytes: number;
  readonly clusterBytes: number;
  readonly version: number;
  readonly isDirty: boolean;
  readonly hasDataFile: boolean;
  readonly extendedL2: boolean;
  readonly refcountBits: number;
  readonly refcountTable: { readonly offset: number; readonly clusters: number };
  readonly l1: TablePlace;
  readonly snapshots: { readonly offset: number; readonly count: number };
  /** Undefined where there are none, or where they were made invalid. */
  readonly bitmaps: BitmapPlace | undefined;
}

export interface TablePlace {
  readonly offset: number;
  readonly entries: number;
}

export interface BitmapPlace {
  readonly count: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

const VERSION_2_HEADER_BYTES = 72;
const BITMAPS_EXTENSION = 0x2385_2875;
const INCOMPATIBLE = { dirty: 1, dataFile: 4, extendedL2: 16 };
const AUTOCLEAR_BITMAPS = 1;

export function readLayout(image: Uint8Array): Qcow2Layout {
  const clusterBytes = 2 ** viewOf(image).getUint32(20);
  // Bytes beyond the end of the file read as zeros.
  const padded = new Uint8Array(image.length + 2 * clusterBytes);
  padded.set(image);
  const view = viewOf(padded);
  const version = view.getUint32(4);
  const incompatible = version === 3 ? view.getUint32(76) : 0;
  const autoclear = version === 3 ? view.getUint32(92) : 0;
  const headerBytes = version === 3 ? view.getUint32(100) : VERSION_2_HEADER_BYTES;
  return {
    view,
    fileBytes: image.length,
    clusterBytes,
    version,
    isDirty: (incompatible & INCOMPATIBLE.dirty) !== 0,
    hasDataFile: (incompatible & INCOMPATIBLE.dataFile) !== 0,
    extendedL2: (incompatible & INCOMPATIBLE.extendedL2) !== 0,
    refcountBits: version === 3 ? 2 ** view.getUint32(96) : 16,
    refcountTable: { offset: u64(view, 48), clusters: view.getUint32(56) },
    l1: { offset: u64(view, 40), entries: view.getUint32(36) },
    snapshots: { offset: u64(view, 64), count: view.getUint32(60) },
    bitmaps:
      (autoclear & AUTOCLEAR_BITMAPS) === 0
        ? undefined
        : bitmapsExtension(view, headerBytes, clusterBytes),
  };
}

function bitmapsExtension(
  view: DataView,
  headerBytes: number,
  clusterBytes: number,
): BitmapPlace | undefined {
  // Where the name of the backing image begins, extensions end.
  const end = u64(view, 8) || clusterBytes;
  for (let at = headerBytes; at + 8 <= end && view.getUint32(at) !== 0;) {
    const lengthBytes = view.getUint32(at + 4);
    if (view.getUint32(at) === BITMAPS_EXTENSION) {
      return {
        count: view.getUint32(at + 8),
        lengthBytes: u64(view, at + 16),
        offset: u64(view, at + 24),
      };
    }
    at += 8 + roundUp(lengthBytes, 8);
  }
  return undefined;
}

export interface SnapshotPlace {
  readonly l1: TablePlace;
  readonly name: string;
}

/** The snapshot table's entries, and its length. */
export function readSnapshots({ view, snapshots }: Qcow2Layout): {
  list: SnapshotPlace[];
  lengthBytes: number;
} {
  const list: SnapshotPlace[] = [];
  let at = snapshots.offset;
  for (let index = 0; index < snapshots.count; index++) {
    const idBytes = view.getUint16(at + 12);
    const nameBytes = view.getUint16(at + 14);
    const extraBytes = view.getUint32(at + 36);
    const nameAt = at + 40 + extraBytes + idBytes;
    list.push({
      l1: { offset: u64(view, at), entries: view.getUint32(at + 8) },
      name: Buffer.from(view.buffer, nameAt, nameBytes).toString(),
    });
    at += roundUp(40 + extraBytes + idBytes + nameBytes, 8);
  }
  return { list, lengthBytes: at - snapshots.offset };
}

/** Tables of the bitmaps. */
export function readBitmapTables({ view }: Qcow2Layout, place: BitmapPlace): TablePlace[] {
  const tables: TablePlace[] = [];
  for (let at = place.offset; tables.length < place.count;) {
    tables.push({ offset: u64(view, at), entries: view.getUint32(at + 8) });
    const nameBytes = view.getUint16(at + 18);
    at += roundUp(24 + view.getUint32(at + 20) + nameBytes, 8);
  }
  return tables;
}

export function u64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

/** Bits 9 to 55 of an entry: an offset in units of 512. */
export function offsetField(view: DataView, at: number): number {
  const low = view.getUint32(at + 4);
  return (view.getUint32(at) & 0x00ff_ffff) * 2 ** 32 + (low - (low % 512));
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
