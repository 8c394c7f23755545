/** The header of an image: parsed, checked, and handed on as what the rest needs to know. */
import { alignUp, DiskError, divideUp, joinU64 } from '@diskfile/bytes';
import type { Limits } from '@diskfile/core';
import { corrupt } from './errors.ts';
import { MAGIC, parallelsHeader, SECTOR_BYTES, VERSION } from './structs.ts';

export interface ParallelsHeader {
  readonly kind: keyof typeof MAGIC;
  readonly clusterBytes: number;
  /** What an entry of the table counts. */
  readonly entryUnitBytes: number;
  readonly tableEntries: number;
  readonly sizeBytes: number;
  /** A value of `IN_USE`, or the mark of a program that keeps the extension up to date. */
  readonly inUse: number;
  /** Where clusters begin. */
  readonly dataOffset: number;
  readonly flags: number;
  /** Where the format extension is; 0 for none. */
  readonly extensionOffset: number;
}

export const HEADER_BYTES = parallelsHeader.spanBytes;
export const ENTRY_BYTES = 4;
export const IN_USE_AT = parallelsHeader.offsetOf('in_use');
/** QEMU's bound. */
export const MAX_CLUSTER_SECTORS = Math.floor((2 ** 31 - 1) / 513);
export const MAX_TABLE_ENTRIES = Math.floor((2 ** 31 - 1) / ENTRY_BYTES);

type Raw = ReturnType<typeof parallelsHeader.decode>;

/** Which of the two magics is there, if any. */
export function kindOf(head: Uint8Array): ParallelsHeader['kind'] | undefined {
  const text = String.fromCharCode(...head.subarray(0, 16));
  if (text === MAGIC.clusters) return 'clusters';
  return text === MAGIC.sectors ? 'sectors' : undefined;
}

/**
 * @param head {@link HEADER_BYTES} from the start of the image
 * @throws DiskError `corrupt`, `unsupported` or `limit`
 */
export function parseHeader(head: Uint8Array, fileBytes: number, limits: Limits): ParallelsHeader {
  const kind = kindOf(head);
  if (kind === undefined) throw notParallels();
  const raw = parallelsHeader.decode(head);
  if (raw.version !== VERSION) throw notParallels();
  if (raw.tracks === 0 || raw.tracks > MAX_CLUSTER_SECTORS) {
    throw badField('tracks', `Clusters of ${raw.tracks} sectors`);
  }
  const clusterBytes = raw.tracks * SECTOR_BYTES;
  const tableEnd = HEADER_BYTES + raw.nb_bat_entries * ENTRY_BYTES;
  checkTable(raw, fileBytes, limits);
  // The older format has a field of 32 bits, and the rest may be anything.
  const highSectors = kind === 'sectors' ? 0 : raw.nb_sectors_high;
  const sectors = joinU64(highSectors, raw.nb_sectors_low, 'nb_sectors');
  const sizeBytes = sectors * SECTOR_BYTES;
  if (!Number.isSafeInteger(sizeBytes) || divideUp(sizeBytes, clusterBytes) > raw.nb_bat_entries) {
    throw badField('nb_sectors_low', `A disk of ${sectors} sectors with so short a table`);
  }
  return {
    kind,
    clusterBytes,
    entryUnitBytes: kind === 'clusters' ? clusterBytes : SECTOR_BYTES,
    tableEntries: raw.nb_bat_entries,
    sizeBytes,
    inUse: raw.in_use,
    dataOffset: raw.data_off === 0 ? alignUp(tableEnd, SECTOR_BYTES) : raw.data_off * SECTOR_BYTES,
    flags: raw.flags,
    extensionOffset: raw.ext_off * SECTOR_BYTES,
  };
}

function checkTable({ nb_bat_entries }: Raw, fileBytes: number, limits: Limits): void {
  const lengthBytes = nb_bat_entries * ENTRY_BYTES;
  if (nb_bat_entries > MAX_TABLE_ENTRIES || HEADER_BYTES + lengthBytes > fileBytes) {
    throw badField('nb_bat_entries', `A table of ${nb_bat_entries} entries`);
  }
  // The table is read page by page, but a writer has to know all of it.
  if (lengthBytes <= limits.maxStructureBytes) return;
  throw new DiskError('limit', 'parallels.table-size', `The table takes ${lengthBytes} bytes`, {
    offset: parallelsHeader.offsetOf('nb_bat_entries'),
    hint: 'Raise limits.maxStructureBytes if the image can be trusted.',
  });
}

function badField(field: Parameters<typeof parallelsHeader.offsetOf>[0], what: string): DiskError {
  const offset = parallelsHeader.offsetOf(field);
  return corrupt(`parallels.${field.replaceAll('_', '-')}`, `${what} is not possible`, offset);
}

function notParallels(): DiskError {
  return corrupt('parallels.magic', 'Image not in Parallels format', 0, 'State the right format.');
}
