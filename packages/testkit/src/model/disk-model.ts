/** A disk as plain bytes: what every real one has to agree with. */

export interface SnapshotModel {
  readonly name: string;
  readonly content: Uint8Array;
}

export interface BitmapModel {
  readonly name: string;
  readonly granularityBytes: number;
  enabled: boolean;
  /** Numbers of the granules that are dirty. */
  readonly dirty: Set<number>;
}

export interface GuestWindow {
  readonly guestOffset: number;
  readonly lengthBytes: number;
}

/** What a model needs to know of the real disk besides its bytes. */
export interface ModelTraits {
  readonly clusterBytes: number;
  /** Size when it was new. */
  readonly startBytes: number;
  /** What lies below the disk. */
  readonly backing: Uint8Array | undefined;
  readonly canResize: boolean;
  /** Whether it refuses to get smaller. */
  readonly growsOnly: boolean;
  readonly canSnapshot: boolean;
  readonly canKeepBitmaps: boolean;
  readonly canCompress: boolean;
  readonly canAmend: boolean;
  readonly canDropContent: boolean;
}

export class DiskModel {
  readonly traits: ModelTraits;
  /** Everything the guest sees; changed in place, and replaced by a resize. */
  content: Uint8Array;
  snapshots: readonly SnapshotModel[] = [];
  bitmaps: readonly BitmapModel[] = [];
  /** More snapshots than these may be refused. */
  maxSnapshots = Infinity;
  /** False when new bitmaps are refused. */
  mayCreateBitmaps = true;
  /** Handles that are open, at least one. */
  handles = 1;

  constructor(content: Uint8Array, traits: ModelTraits) {
    this.content = content;
    this.traits = traits;
  }

  get sizeBytes(): number {
    return this.content.length;
  }

  clone(): DiskModel {
    const copy = new DiskModel(this.content.slice(), this.traits);
    copy.snapshots = this.snapshots;
    copy.bitmaps = this.bitmaps.map((bitmap) => ({ ...bitmap, dirty: new Set(bitmap.dirty) }));
    copy.maxSnapshots = this.maxSnapshots;
    copy.mayCreateBitmaps = this.mayCreateBitmaps;
    copy.handles = this.handles;
    return copy;
  }

  window({ guestOffset, lengthBytes }: GuestWindow): Uint8Array {
    return this.content.subarray(guestOffset, guestOffset + lengthBytes);
  }

  write(guestOffset: number, bytes: Uint8Array): void {
    this.content.set(bytes, guestOffset);
    this.markDirty(guestOffset, bytes.length);
  }

  zero({ guestOffset, lengthBytes }: GuestWindow): void {
    this.content.fill(0, guestOffset, guestOffset + lengthBytes);
    this.markDirty(guestOffset, lengthBytes);
  }

  /** Records a change in every bitmap that is kept up to date. */
  markDirty(guestOffset: number, lengthBytes: number): void {
    for (const bitmap of this.bitmaps) {
      if (bitmap.enabled) markGranules(bitmap, guestOffset, lengthBytes);
    }
  }

  resize(sizeBytes: number): void {
    const resized = new Uint8Array(sizeBytes);
    resized.set(this.content.subarray(0, sizeBytes));
    this.content = resized;
    for (const { dirty, granularityBytes } of this.bitmaps) {
      for (const granule of dirty) {
        if (granule * granularityBytes >= sizeBytes) dirty.delete(granule);
      }
    }
  }
}

/** Makes every granule dirty that a range touches. */
export function markGranules(
  { granularityBytes, dirty }: BitmapModel,
  guestOffset: number,
  lengthBytes: number,
): void {
  if (lengthBytes === 0) return;
  const last = Math.floor((guestOffset + lengthBytes - 1) / granularityBytes);
  for (let at = Math.floor(guestOffset / granularityBytes); at <= last; at++) dirty.add(at);
}

/** The dirty ranges of a bitmap as text, which two bitmaps have in common when they are equal. */
export function describeDirty({ dirty, granularityBytes }: BitmapModel, sizeBytes: number): string {
  const granules = [...dirty].toSorted((one, other) => one - other);
  const ranges: { start: number; end: number }[] = [];
  for (const granule of granules) {
    const start = granule * granularityBytes;
    const last = ranges.at(-1);
    const end = Math.min(start + granularityBytes, sizeBytes);
    if (last?.end === start) last.end = end;
    else ranges.push({ start, end });
  }
  return ranges.map(({ start, end }) => `${start}-${end}`).join(' ');
}
