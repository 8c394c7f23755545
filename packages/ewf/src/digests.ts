/** What was noted when the image was complete: digests of the medium, and sectors not read. */
import { isAllZero, readU32le, toHex } from '@diskfile/bytes';
import { readBytes, type Step } from '@diskfile/core';
import { isIntact } from './errors.ts';
import type { Section } from './sections.ts';
import { digestSection, error2Header, hashSection } from './structs.ts';

export interface Digests {
  readonly md5?: string;
  readonly sha1?: string;
}

/** Empty for a section that does not fit its checksum. */
export function* readDigests(section: Section): Step<Digests> {
  const struct = section.type === 'digest' ? digestSection : hashSection;
  const bytes = yield* readBytes(section.storage, section.dataOffset, struct.spanBytes);
  if (!isIntact(bytes)) return {};
  if (section.type !== 'digest') return given('md5', hashSection.decode(bytes).md5);
  const { md5, sha1 } = digestSection.decode(bytes);
  return { ...given('md5', md5), ...given('sha1', sha1) };
}

/** Programs that compute only one of the digests leave zeros in place of the other. */
function given(name: 'md5' | 'sha1', digest: Uint8Array): Digests {
  return isAllZero(digest) ? {} : { [name]: toHex(digest) };
}

/** Sectors that could not be read from the medium; the image has something else there. */
export interface UnreadSectors {
  readonly firstSector: number;
  readonly sectorCount: number;
}

const ENTRY_BYTES = 8;
/** Runs that are told; a dying disk can have very many. */
const MAX_RUNS = 1000;

export function* readUnreadSectors(section: Section): Step<UnreadSectors[]> {
  const { storage, dataOffset, end } = section;
  const header = yield* readBytes(storage, dataOffset, error2Header.spanBytes);
  if (!isIntact(header)) return [];
  const { number_of_entries } = error2Header.decode(header);
  const entriesAt = dataOffset + error2Header.spanBytes;
  const there = Math.floor(Math.max(0, end - entriesAt) / ENTRY_BYTES);
  const count = Math.min(number_of_entries, there, MAX_RUNS);
  const entries = yield* readBytes(storage, entriesAt, count * ENTRY_BYTES);
  return Array.from({ length: count }, (_, index) => ({
    firstSector: readU32le(entries, index * ENTRY_BYTES),
    sectorCount: readU32le(entries, index * ENTRY_BYTES + 4),
  }));
}
