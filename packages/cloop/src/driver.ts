/** Recognises and opens cloop images. */
import { decodeName, DiskError, readU32be } from '@diskfile/bytes';
import {
  type FormatDriver,
  type OpenContext,
  readBytes,
  refuseSnapshot,
  type Step,
} from '@diskfile/core';
import { CloopImage } from './image.ts';
import { corrupt } from './refusals.ts';

/** A script that mounts the image stands before it; its second line tells the version. */
const SCRIPT_BYTES = 128;
const SHELL = '#!/bin/sh\n#';
const VERSION_2 = '#!/bin/sh\n#V2.0 Format\n';
const VERSION = /^#!\/bin\/sh\n#(V\d+\.\d+) Format\n/;
const HEADER_BYTES = SCRIPT_BYTES + 8;
const OFFSET_BYTES = 8;
const SECTOR_BYTES = 512;
/**
 * QEMU takes blocks of up to 64 MiB. Those that tools make have a few hundred KiB, and of a larger one
 * all has to be decoded for every small read.
 */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
const MAX_QEMU_BLOCK_BYTES = 64 * 1024 * 1024;
/** Above this a table would be longer than 32 bits can say. */
const MAX_BLOCKS = 2 ** 29 - 1;
const MAX_TABLE_BYTES = 512 * 1024 * 1024;

export const cloopDriver: FormatDriver = {
  id: 'cloop',
  aliases: [],
  abilities: { write: false, backing: 'none', compressed: 'read' },
  probe: ({ head }) => (VERSION.test(textOf(head)) ? 'yes' : 'no'),
  open: openCloop,
};

function textOf(head: Uint8Array): string {
  return decodeName(head.subarray(0, VERSION_2.length));
}

function* openCloop(context: OpenContext): Step<CloopImage> {
  const { storage, decoders, limits } = context;
  refuseSnapshot(context, 'cloop', 'A cloop image');
  const head = yield* readBytes(storage, 0, HEADER_BYTES);
  checkVersion(textOf(head));
  const blockBytes = readU32be(head, SCRIPT_BYTES);
  const blockCount = readU32be(head, SCRIPT_BYTES + 4);
  if (blockBytes === 0 || blockBytes % SECTOR_BYTES !== 0 || blockBytes > MAX_BLOCK_BYTES) {
    throw corrupt('cloop.block-size', `Blocks of ${blockBytes} bytes`, SCRIPT_BYTES);
  }
  if (blockCount > MAX_BLOCKS) {
    throw corrupt('cloop.block-count', `${blockCount} blocks`, SCRIPT_BYTES + 4);
  }
  const tableBytes = (blockCount + 1) * OFFSET_BYTES;
  if (tableBytes > Math.min(MAX_TABLE_BYTES, limits.metadataCacheBytes)) {
    throw new DiskError('limit', 'cloop.table-size', `The table takes ${tableBytes} bytes`, {
      hint: 'Raise limits.metadataCacheBytes if the image can be trusted.',
    });
  }
  if (HEADER_BYTES + tableBytes > storage.sizeBytes) {
    throw corrupt('cloop.table', `A table of ${blockCount} blocks lies past the end`, HEADER_BYTES);
  }
  const table = yield* readBytes(storage, HEADER_BYTES, tableBytes);
  const offsets = Float64Array.from({ length: blockCount + 1 }, (_, index) =>
    offsetAt(table, index * OFFSET_BYTES),
  );
  checkOffsets(offsets);
  return new CloopImage(storage, blockBytes, offsets, yield* decoders.load('zlib'));
}

/** As QEMU does; whether a block lies in the file and is no longer than it can be, reading it shows. */
function checkOffsets(offsets: Float64Array): void {
  for (let block = 0; block + 1 < offsets.length; block++) {
    const start = offsets[block]!;
    const end = offsets[block + 1]!;
    const place = `Block ${block} would lie from ${start} to ${end} of the file`;
    if (end < start) throw corrupt('cloop.block-order', place, start);
    if (end - start > 2 * MAX_QEMU_BLOCK_BYTES) throw corrupt('cloop.block-length', place, start);
  }
}

function checkVersion(script: string): void {
  if (script.startsWith(VERSION_2)) return;
  if (!script.startsWith(SHELL)) {
    throw corrupt('cloop.magic', 'The file does not begin as a cloop image does', 0);
  }
  const version = VERSION.exec(script)?.[1] ?? 'another version';
  throw new DiskError('unsupported', 'cloop.version', `The cloop image is of ${version}`, {
    hint: 'Version 2.0 can be read. Unpack it with extract_compressed_fs.',
  });
}

/** Beyond 2^53 not exactly, which is beyond the file in any case: refused where it is read. */
function offsetAt(table: Uint8Array, at: number): number {
  return readU32be(table, at) * 2 ** 32 + readU32be(table, at + 4);
}
