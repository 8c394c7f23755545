/** EWF images of one segment, or the first of two, and where their fields are. */
import { deflateSync } from 'node:zlib';
import {
  buildEwf,
  type EwfSection,
  type EwfSpec,
  listEwfSections,
  repairEwfChecksums,
} from '../../builders/ewf.ts';
import { headerFields, type Region, type SeedImage } from '../seed-image.ts';

const CONTENT = Uint8Array.from({ length: 24 * 4096 + 512 }, (_, at) =>
  at % 12_288 < 4096 ? 0 : Math.imul(at, 0x9e3779b1) >>> 24,
);
const HEADER_TEXT = '1\nmain\nc\te\tm\n7\tJane\t1386674918\n\n';

const DESCRIPTOR = [
  ['next_offset', 16, 8],
  ['section_size', 24, 8],
] as const;
const VOLUME = [
  ['number_of_chunks', 4, 4],
  ['sectors_per_chunk', 8, 4],
  ['bytes_per_sector', 12, 4],
  ['number_of_sectors', 16, 8],
] as const;
const TABLE = [
  ['number_of_entries', 0, 4],
  ['base_offset', 8, 8],
] as const;

const SPECS: readonly (readonly [string, EwfSpec])[] = [
  ['encase', { content: CONTENT, tablesPerSegment: 100, usesBaseOffset: true }],
  ['smart', { content: CONTENT, kind: 'smart', tablesPerSegment: 100 }],
  ['first', { content: CONTENT, tablesPerSegment: 3 }],
];

/** What the second segment of the seed "first" is. */
export const SECOND_SEGMENT = buildEwf(SPECS[2]![1])[1]!;

export function ewfSeeds(): SeedImage[] {
  const header = { type: 'header', data: deflateSync(Buffer.from(HEADER_TEXT)) };
  return SPECS.map(([name, spec]) => {
    const bytes = new Uint8Array(buildEwf({ ...spec, notes: [header] })[0]!);
    const sections = listEwfSections(bytes);
    return {
      name,
      bytes,
      unitBytes: 76,
      fields: sections.flatMap(fieldsOf),
      regions: sections.filter(({ type }) => type.startsWith('table')).map(entriesOf),
      repair: repairEwfChecksums,
    };
  });
}

function fieldsOf({ type, offset, dataOffset }: EwfSection) {
  const fields = headerFields(offset, false, DESCRIPTOR);
  if (type === 'volume') fields.push(...headerFields(dataOffset, false, VOLUME));
  if (type.startsWith('table')) fields.push(...headerFields(dataOffset, false, TABLE));
  return fields;
}

function entriesOf({ type, dataOffset }: EwfSection): Region {
  const place = { name: type, offset: dataOffset + 24, lengthBytes: 20 };
  return { ...place, widthBytes: 4, bigEndian: false };
}
