/** What an image says of the medium: how large it is, and in what pieces it is kept. */
import { formatGuid, isAllZero, isPowerOfTwo } from '@diskfile/bytes';
import { type Limits, readBytes, type Step } from '@diskfile/core';
import { DiskError } from '@diskfile/bytes';
import { corrupt, isIntact } from './errors.ts';
import type { Section } from './sections.ts';
import { smartVolume, volume } from './structs.ts';

export interface Media {
  /** How SMART keeps it: no checksum behind table entries. */
  readonly isSmart: boolean;
  readonly sizeBytes: number;
  readonly bytesPerSector: number;
  readonly sectorsPerChunk: number;
  readonly chunkBytes: number;
  readonly chunkCount: number;
  readonly mediaType: string | undefined;
  readonly compressionLevel: string | undefined;
  readonly setIdentifier: string | undefined;
}

const MAX_SECTOR_BYTES = 65_536;
const MEDIA_TYPES: Readonly<Record<number, string>> = {
  0x00: 'removable disk',
  0x01: 'fixed disk',
  0x03: 'optical disc',
  0x0e: 'single files',
  0x10: 'memory',
};
const COMPRESSION_LEVELS = ['none', 'fast', 'best'];

/** @throws DiskError `corrupt`, `limit` */
export function* readMedia(section: Section, limits: Limits): Step<Media> {
  const { storage, dataOffset, end, offset } = section;
  const lengthBytes = end - dataOffset;
  const struct = lengthBytes === smartVolume.spanBytes ? smartVolume : volume;
  if (lengthBytes < struct.spanBytes) {
    throw corrupt('ewf.volume-size', `A volume section of ${lengthBytes} bytes`, offset);
  }
  const bytes = yield* readBytes(storage, dataOffset, struct.spanBytes);
  if (!isIntact(bytes)) {
    throw corrupt('ewf.volume-checksum', 'The volume section does not fit its checksum', offset);
  }
  const isSmart = struct === smartVolume;
  const raw = struct.decode(bytes);
  const geometry = checkedGeometry(raw, offset, limits);
  if (isSmart) {
    const unsaid = { mediaType: undefined, compressionLevel: undefined, setIdentifier: undefined };
    return { isSmart, ...geometry, ...unsaid };
  }
  const { media_type, compression_level, set_identifier } = volume.decode(bytes);
  return {
    isSmart,
    ...geometry,
    mediaType: MEDIA_TYPES[media_type] ?? `type ${media_type}`,
    compressionLevel: COMPRESSION_LEVELS[compression_level] ?? `level ${compression_level}`,
    setIdentifier: isAllZero(set_identifier) ? undefined : formatGuid(set_identifier),
  };
}

interface RawGeometry {
  readonly number_of_chunks: number;
  readonly sectors_per_chunk: number;
  readonly bytes_per_sector: number;
  readonly number_of_sectors: number;
}

function checkedGeometry(raw: RawGeometry, offset: number, limits: Limits) {
  const bytesPerSector = raw.bytes_per_sector;
  const sectorsPerChunk = raw.sectors_per_chunk;
  if (bytesPerSector < 512 || bytesPerSector > MAX_SECTOR_BYTES || !isPowerOfTwo(bytesPerSector)) {
    throw corrupt('ewf.sector-size', `Sectors of ${bytesPerSector} bytes`, offset);
  }
  const chunkBytes = bytesPerSector * sectorsPerChunk;
  if (chunkBytes === 0) throw corrupt('ewf.chunk-size', 'Chunks without sectors', offset);
  if (chunkBytes > limits.maxStructureBytes) {
    throw new DiskError('limit', 'ewf.chunk-size', `Chunks of ${chunkBytes} bytes`, {
      offset,
      hint: 'Raise limits.maxStructureBytes if the image can be trusted.',
    });
  }
  const sizeBytes = raw.number_of_sectors * bytesPerSector;
  if (!Number.isSafeInteger(sizeBytes)) {
    throw corrupt('ewf.size', `A medium of ${raw.number_of_sectors} sectors`, offset);
  }
  const chunkCount = Math.ceil(sizeBytes / chunkBytes);
  return { sizeBytes, bytesPerSector, sectorsPerChunk, chunkBytes, chunkCount };
}
