/** The sections of one segment file, each naming the next. */
import { decodeFixedText } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
import { corrupt, isIntact } from './errors.ts';
import { fileHeader, sectionDescriptor } from './structs.ts';

export interface Section {
  readonly type: string;
  readonly storage: Storage;
  /** Where its descriptor begins. */
  readonly offset: number;
  readonly dataOffset: number;
  /** Where the next one begins, or the file ends. */
  readonly end: number;
}

/** What follows the last section of a file: another file, or nothing. */
const LAST_SECTIONS: ReadonlySet<string> = new Set(['next', 'done']);

export const DESCRIPTOR_BYTES = sectionDescriptor.spanBytes;

/**
 * Reads the chain of sections. Each lies behind the one that names it, so it has an end.
 * @param maxSections refused beyond that
 */
export function* readSections(storage: Storage, maxSections: number): Step<Section[]> {
  const sections: Section[] = [];
  for (let offset = fileHeader.spanBytes; ;) {
    const section = yield* readSection(storage, offset);
    sections.push(section);
    if (LAST_SECTIONS.has(section.type)) return sections;
    if (sections.length >= maxSections) {
      throw corrupt('ewf.sections', 'The file has more sections than any image needs', offset);
    }
    offset = section.end;
  }
}

function* readSection(storage: Storage, offset: number): Step<Section> {
  const dataOffset = offset + DESCRIPTOR_BYTES;
  if (dataOffset > storage.sizeBytes) {
    const message = 'The file ends where a section should begin';
    throw corrupt('ewf.truncated', message, offset, storage.name);
  }
  const bytes = yield* readBytes(storage, offset, DESCRIPTOR_BYTES);
  if (!isIntact(bytes)) {
    const message = 'The descriptor of a section does not fit its checksum';
    throw corrupt('ewf.section-checksum', message, offset, storage.name);
  }
  const raw = sectionDescriptor.decode(bytes);
  const type = decodeFixedText(raw.type);
  if (LAST_SECTIONS.has(type)) {
    return { type, storage, offset, dataOffset, end: dataOffset };
  }
  if (raw.next_offset < dataOffset || raw.next_offset > storage.sizeBytes) {
    const message = `The section behind "${type}" begins at ${raw.next_offset}, which cannot be`;
    throw corrupt('ewf.section-order', message, offset, storage.name);
  }
  return { type, storage, offset, dataOffset, end: raw.next_offset };
}
