/** Opens packed disks of every kind, found by probing, and reads them. */
import { gzipSync, inflateRawSync } from 'node:zlib';
import { crc32, writeU32le } from '@diskfile/bytes';
import { closedGate } from '@diskfile/core';
import { openDiskFile } from 'diskfile';
import { buildLz4, buildSeekableZstd, repairSummedLz4 } from '../../builders/packed.ts';
import { exerciseDisk } from '../exercise/disk.ts';
import { UntouchableStorage } from '../exercise/guarded-storage.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { plainSeed, type Region, type SeedImage } from '../seed-image.ts';
import { createdImage } from '../seeds/created-image.ts';
import { packedSeeds, testImages } from '../seeds/image-folder.ts';

/** What an input may make opening unpack: mutants can be bombs. */
const MAX_UNPACKED_BYTES = 4 * 1024 * 1024;
const FRAME_BYTES = 9000;
const CONTENT = Uint8Array.from({ length: 40_000 }, (_, at) =>
  at % 12_000 < 6000 ? 0 : Math.imul(at, 0x9e3779b1) >>> 24,
);

/**
 * The content is not compressed in most of them: damaged streams are for the targets of the codecs,
 * and here most inputs have to get past what is unpacked on opening.
 */
const STORED = gzipSync(CONTENT, { level: 0 });
const NO_SUMS = { hasContentChecksum: false };
const SUMMED_BLOCKS = { ...NO_SUMS, hasBlockChecksums: true, hasContentSize: true };
const REPAIRS: Readonly<Record<string, SeedImage['repair']>> = {
  gzip: repairGzip,
  'gzip-members': repairGzip,
  'gzip-qcow2': repairGzip,
  'lz4-checksums': repairSummedLz4,
};
const XZ_SEEDS: ReadonlySet<string> = new Set(['plain-chunks', 'zeros']);

function seeds(): SeedImage[] {
  const [image] = testImages('base.qcow2', 2 ** 20);
  const made: readonly (readonly [string, Uint8Array])[] = [
    ['gzip', STORED],
    ['gzip-members', Buffer.concat([STORED, STORED])],
    ['gzip-qcow2', gzipSync(image!.bytes)],
    ['lz4', buildLz4(CONTENT, { ...NO_SUMS, isPlain: true })],
    ['lz4-linked', buildLz4(CONTENT, { ...NO_SUMS, isLinked: true })],
    ['lz4-checksums', buildLz4(CONTENT, SUMMED_BLOCKS)],
  ];
  return [
    ...made.map(([name, bytes]) => ({
      ...plainSeed(name, new Uint8Array(bytes)),
      ...(REPAIRS[name] === undefined ? {} : { repair: REPAIRS[name] }),
    })),
    ...packedSeeds('xz')
      .filter(({ name }) => XZ_SEEDS.has(name))
      .map(({ name, bytes }) => plainSeed(`xz-${name}`, bytes)),
    ...zstdSeeds(),
    plainSeed('zstd-made', madeZstd()),
  ];
}

/** As the driver makes it: frames with checksums, and some of zeros. */
function madeZstd(): Uint8Array {
  const frameBytes = 16 * 1024;
  const options = { frame_size: frameBytes };
  return createdImage({ format: 'zstd', sizeBytes: 6 * frameBytes - 512, options }, (disk) => {
    disk.writeSync(CONTENT.subarray(0, frameBytes), frameBytes);
    disk.writeSync(CONTENT.subarray(0, 2 * frameBytes), 3 * frameBytes);
  });
}

/** Of one block that is not compressed (RFC 8878, section 3.1.1). */
function plainFrame(content: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(12 + content.length);
  frame.writeUInt32LE(0xfd2f_b528);
  frame[4] = 0xa0;
  frame.writeUInt32LE(content.length, 5);
  frame.writeUIntLE(1 + content.length * 8, 9, 3);
  frame.set(content, 12);
  return frame;
}

/** Makes length and checksum of each member right that can be unpacked. */
function repairGzip(bytes: Uint8Array): void {
  for (let at = 0; at + 18 < bytes.length && bytes[at + 3] === 0;) {
    try {
      const options = { info: true, maxOutputLength: MAX_UNPACKED_BYTES };
      const { buffer, engine } = inflateRawSync(bytes.subarray(at + 10), options) as unknown as {
        readonly buffer: Uint8Array;
        readonly engine: { readonly bytesWritten: number };
      };
      const end = at + 10 + engine.bytesWritten;
      if (end + 8 > bytes.length) return;
      writeU32le(bytes, end, crc32(buffer));
      writeU32le(bytes, end + 4, buffer.length);
      at = end + 8;
    } catch {
      return;
    }
  }
}

function zstdSeeds(): SeedImage[] {
  const frames = Array.from({ length: Math.ceil(CONTENT.length / FRAME_BYTES) }, (_, index) => {
    const part = CONTENT.subarray(index * FRAME_BYTES, (index + 1) * FRAME_BYTES);
    return { bytes: plainFrame(part), contentBytes: part.length };
  });
  const bytes = new Uint8Array(buildSeekableZstd(frames));
  const offset = frames.reduce((sum, each) => sum + each.bytes.length, 0);
  const place = { name: 'seek table', offset, lengthBytes: bytes.length - offset };
  const table: Region = { ...place, widthBytes: 4, bigEndian: false };
  return [
    plainSeed('zstd-frames', bytes.slice(0, offset)),
    { ...plainSeed('zstd-seekable', bytes), regions: [table] },
  ];
}

export const packedTarget: FuzzTarget = {
  name: 'packed',
  seeds,
  async run(bytes, choices) {
    await using disk = await openDiskFile(new UntouchableStorage(bytes, 'disk.packed'), {
      gate: closedGate,
      limits: { maxUnpackedBytes: MAX_UNPACKED_BYTES },
    });
    await exerciseDisk(disk, choices);
  },
};
