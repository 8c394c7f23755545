/** The footer of a VHD image, at its end and, but for fixed disks, at its start as well. */
import { DiskError, formatUuid, readU32be } from '@diskfile/bytes';
import { type FormatTuning, readBytes, type Step, type Storage } from '@diskfile/core';
import { type Geometry, MAX_GEOMETRY_SECTORS, sectorsOf } from './geometry.ts';
import { isFooter } from './signature.ts';
import { checksumOf, DISK_TYPE, hardDiskFooter, SECTOR_BYTES } from './structs.ts';

/** Where the size of a disk comes from, if not from what its creator is known for. */
type SizeSource = FormatTuning['sizeSource'];

export type VhdType = 'fixed' | 'dynamic' | 'differencing';

export interface VhdFooter {
  readonly type: VhdType;
  /** The disk as guests see it; see {@link guestSizeOf}. */
  readonly sizeBytes: number;
  /** What the footer calls the current size. */
  readonly currentSizeBytes: number;
  /** Where the header of a dynamic disk lies; 0 in a fixed disk. */
  readonly headerOffset: number;
  readonly geometry: Geometry;
  readonly creatorApplication: string;
  readonly timeStampSeconds: number;
  readonly uniqueId: string;
  readonly savedState: boolean;
  /** As it stands in the file, to be written again. */
  readonly bytes: Uint8Array;
}

const CHECKSUM_AT = hardDiskFooter.offsetOf('checksum');
const TYPES: Readonly<Record<number, VhdType>> = {
  [DISK_TYPE.fixed]: 'fixed',
  [DISK_TYPE.dynamic]: 'dynamic',
  [DISK_TYPE.differencing]: 'differencing',
};
/** Programs whose images have the size that they state; to others it is that of the geometry. */
const EXACT_CREATORS = new Set(['win ', 'qem2', 'd2v ', 'tap\0', 'CTXS', 'wa\0\0', 'vbox']);
const MAX_DISK_BYTES = 2 ** 63;

/**
 * Finds the footer: at the end, and for disks that are not fixed at the start as well. Either place
 * may hold what a guest has put there. In a fixed disk that is the start, its first sector. In the
 * others it is the end, once a crash has left a new block behind everything else, and there a guest
 * could name a parent of its choice. So a footer at the end that calls the disk fixed counts, as far
 * as the file is long enough for it, and of all others the copy at the start does where it is whole.
 * @throws DiskError `corrupt` when there is no whole footer
 */
export function* readFooter(storage: Storage, sizeSource?: SizeSource): Step<VhdFooter> {
  const { sizeBytes } = storage;
  let found = 0;
  const read = function* (offset: number): Step<Uint8Array | undefined> {
    if (offset < 0) return undefined;
    const bytes = yield* readBytes(storage, offset, SECTOR_BYTES);
    if (!isFooter(bytes)) return undefined;
    found += 1;
    return readU32be(bytes, CHECKSUM_AT) === checksumOf(bytes, CHECKSUM_AT) ? bytes : undefined;
  };
  if (sizeBytes < SECTOR_BYTES) {
    throw corrupt('vhd.too-small', 'The file is too small for a VHD footer', 0);
  }
  const endAt = sizeBytes - SECTOR_BYTES;
  const end = (yield* read(endAt)) ?? (yield* read(endAt + 1));
  const start = yield* read(0);
  const isFixed = end !== undefined && callsItFixed(end, sizeBytes);
  const footer = isFixed ? end : (start ?? end);
  if (footer !== undefined) return parseFooter(footer, sizeSource);
  throw corrupt(
    found === 0 ? 'vhd.no-footer' : 'vhd.footer-checksum',
    found === 0
      ? 'The file has no VHD footer, neither at its end nor at its start'
      : 'The checksum of the VHD footer is wrong',
    Math.max(0, endAt),
  );
}

/** Without parsing it, since it may be nobody's. */
function callsItFixed(footer: Uint8Array, fileBytes: number): boolean {
  const sizeAt = hardDiskFooter.offsetOf('currentSize');
  const diskBytes = readU32be(footer, sizeAt) * 2 ** 32 + readU32be(footer, sizeAt + 4);
  const type = readU32be(footer, hardDiskFooter.offsetOf('diskType'));
  return type === DISK_TYPE.fixed && diskBytes < fileBytes;
}

function parseFooter(bytes: Uint8Array, sizeSource: SizeSource): VhdFooter {
  const raw = hardDiskFooter.decode(bytes);
  const type = TYPES[raw.diskType];
  if (type === undefined) {
    throw corrupt('vhd.disk-type', `There is no disk type ${raw.diskType}`, 60);
  }
  const { cylinders, heads, sectorsPerTrack } = raw;
  const footer = {
    type,
    currentSizeBytes: raw.currentSize - (raw.currentSize % SECTOR_BYTES),
    headerOffset: type === 'fixed' ? 0 : headerOffsetOf(raw),
    geometry: { cylinders, heads, sectorsPerTrack },
    creatorApplication: String.fromCharCode(...raw.creatorApplication),
    timeStampSeconds: raw.timeStamp,
    uniqueId: formatUuid(raw.uniqueId),
    savedState: raw.savedState !== 0,
    bytes,
  };
  return { ...footer, sizeBytes: guestSizeOf(footer, sizeSource) };
}

function headerOffsetOf(raw: ReturnType<typeof hardDiskFooter.decode>): number {
  const offset = raw.dataOffsetHigh * 2 ** 32 + raw.dataOffsetLow;
  if (offset % SECTOR_BYTES === 0 && offset >= SECTOR_BYTES && offset < MAX_DISK_BYTES)
    return offset;
  throw corrupt('vhd.header-offset', 'The footer places the header where none can be', 16);
}

/**
 * Virtual PC goes by the geometry, Hyper-V by the size; which of them made the image is told by
 * the creator, as far as that is known. Azure and VirtualBox go by the size too, though QEMU 7.2 has
 * it otherwise. Disks beyond the largest geometry have their size only.
 */
function guestSizeOf(footer: Omit<VhdFooter, 'sizeBytes'>, stated: SizeSource): number {
  const sectors = sectorsOf(footer.geometry);
  const source = stated ?? (EXACT_CREATORS.has(footer.creatorApplication) ? 'footer' : 'geometry');
  // Some leave the geometry out: there has to be a size all the same.
  const isNone = sectors === 0 && stated === undefined;
  const exact = source === 'footer' || sectors === MAX_GEOMETRY_SECTORS || isNone;
  return exact ? footer.currentSizeBytes : sectors * SECTOR_BYTES;
}

export function corrupt(detail: string, message: string, offset: number): DiskError {
  return new DiskError('corrupt', detail, message, {
    offset,
    hint: 'Restore the image, or convert what can still be read of it.',
  });
}
