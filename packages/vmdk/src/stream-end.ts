/**
 * What a stream-optimized extent with a footer ends in: the grain tables, the directory, a header
 * that tells where this is, each behind its marker ("Stream-Optimized Compressed Sparse Extents").
 */
import { alignUp, writeU32le } from '@diskfile/bytes';
import { MARKER, metadataMarker, SECTOR_BYTES, sparseExtentHeader } from './structs.ts';

export interface StreamEnd {
  /** Entries of each table; undefined for one that would name no grain. */
  readonly tables: readonly (Uint8Array | undefined)[];
  /** The first sector of the file, which leaves the place of the directory open. */
  readonly header: Uint8Array;
  /** Where in the file it is to begin: at a sector. */
  readonly hostOffset: number;
}

export function encodeStreamEnd({ tables, header, hostOffset }: StreamEnd): Uint8Array {
  const directory = new Uint8Array(alignUp(tables.length * 4, SECTOR_BYTES));
  const parts: Uint8Array[] = [];
  let sector = hostOffset / SECTOR_BYTES;
  const add = (type: number, content: Uint8Array): number => {
    const sectors = Math.ceil(content.length / SECTOR_BYTES);
    const part = new Uint8Array((1 + sectors) * SECTOR_BYTES);
    metadataMarker.encode({ val: sectors, size: 0, type }, part);
    part.set(content, SECTOR_BYTES);
    parts.push(part);
    const contentAt = sector + 1;
    sector += 1 + sectors;
    return contentAt;
  };
  for (const [index, table] of tables.entries()) {
    if (table !== undefined) writeU32le(directory, index * 4, add(MARKER.grainTable, table));
  }
  const footer = header.slice();
  const directoryAt = add(MARKER.grainDirectory, directory);
  writeU32le(footer, sparseExtentHeader.offsetOf('gdOffsetLow'), directoryAt);
  writeU32le(footer, sparseExtentHeader.offsetOf('gdOffsetHigh'), 0);
  add(MARKER.footer, footer);
  add(MARKER.endOfStream, new Uint8Array(0));
  return joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
