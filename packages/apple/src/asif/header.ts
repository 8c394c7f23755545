/** The header of an image, parsed, and what follows from it for tables and groups. */
import { decodeName, divideUp, isPowerOfTwo } from '@diskfile/bytes';
import { corrupt, unsupported } from '../refusals.ts';
import { asifHeader, ENTRY_BYTES, MAGIC, VERSION } from './structs.ts';

const KIB = 1024;
const MIN_CHUNK_BYTES = 64 * KIB;
const MAX_CHUNK_BYTES = 64 * KIB * KIB;
const SECTOR_SIZES: ReadonlySet<number> = new Set([512, 4096]);

export interface AsifHeader {
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly chunkBytes: number;
  readonly directoryOffsets: readonly number[];
  /** Data chunks of a chunk group ("N"). */
  readonly groupChunks: number;
  /** Bytes of a chunk group: its entries, and one for its bitmap ("S"). */
  readonly groupBytes: number;
  /** Chunk groups of a table ("C"). */
  readonly tableGroups: number;
  /** Tables that the disk needs. */
  readonly tableCount: number;
}

export const HEADER_BYTES = asifHeader.spanBytes;

/** @throws DiskError `corrupt`, or `unsupported` for what has never been seen */
export function parseHeader(bytes: Uint8Array): AsifHeader {
  const raw = asifHeader.decode(bytes);
  if (decodeName(raw.magic) !== MAGIC) {
    throw corrupt('asif.magic', 'The file does not begin as an ASIF image does', 0);
  }
  if (raw.version !== VERSION) {
    const at = asifHeader.offsetOf('version');
    throw unsupported('asif.version', `The image is of version ${raw.version} of ASIF`, at);
  }
  if (raw.flags !== 0) {
    const message = `The image has the flags 0x${raw.flags.toString(16)}, whose meaning is not known`;
    throw unsupported('asif.flags', message, asifHeader.offsetOf('flags'));
  }
  const { chunkSize, sectorSize, sectorCount } = raw;
  if (!SECTOR_SIZES.has(sectorSize)) {
    const at = asifHeader.offsetOf('sectorSize');
    throw corrupt('asif.sector-size', `Sectors of ${sectorSize} bytes`, at);
  }
  const isChunk = chunkSize >= MIN_CHUNK_BYTES && chunkSize <= MAX_CHUNK_BYTES;
  const groupChunks = 4 * sectorSize;
  const groupBytes = ENTRY_BYTES * (groupChunks + 1);
  const tableGroups = Math.floor(chunkSize / groupBytes);
  if (!isChunk || !isPowerOfTwo(chunkSize) || tableGroups === 0) {
    throw corrupt(
      'asif.chunk-size',
      `Chunks of ${chunkSize} bytes`,
      asifHeader.offsetOf('chunkSize'),
    );
  }
  const sizeBytes = sectorCount * sectorSize;
  if (!Number.isSafeInteger(sizeBytes) || sectorCount > raw.maxSectorCount) {
    const message = `A disk of ${sectorCount} sectors, of at most ${raw.maxSectorCount}`;
    throw corrupt('asif.sector-count', message, asifHeader.offsetOf('sectorCount'));
  }
  return {
    sizeBytes,
    sectorBytes: sectorSize,
    chunkBytes: chunkSize,
    directoryOffsets: [raw.directoryOffset0, raw.directoryOffset1],
    groupChunks,
    groupBytes,
    tableGroups,
    tableCount: divideUp(sizeBytes, tableGroups * groupChunks * chunkSize),
  };
}
