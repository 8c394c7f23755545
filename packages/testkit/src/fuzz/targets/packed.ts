/** Opens packed disks of every kind, found by probing, and reads them. */
import { gzipSync } from 'node:zlib';
import { makeEncoders } from '@diskfile/codec';
import { closedGate, runSync } from '@diskfile/core';
import { openDiskFile } from 'diskfile';
import { buildLz4, buildSeekableZstd } from '../../builders/packed.ts';
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

function seeds(): SeedImage[] {
  const [image] = testImages('base.qcow2', 2 ** 20);
  const noSums = { hasContentChecksum: false };
  const made: readonly (readonly [string, Uint8Array])[] = [
    ['gzip', gzipSync(CONTENT)],
    ['gzip-members', Buffer.concat([gzipSync(CONTENT), gzipSync(CONTENT)])],
    ['gzip-qcow2', gzipSync(image!.bytes)],
    ['lz4', buildLz4(CONTENT, noSums)],
    ['lz4-linked', buildLz4(CONTENT, { ...noSums, isLinked: true })],
    ['lz4-checksums', buildLz4(CONTENT, { hasBlockChecksums: true, hasContentSize: true })],
  ];
  return [
    ...made.map(([name, bytes]) => plainSeed(name, new Uint8Array(bytes))),
    ...packedSeeds('xz').map(({ name, bytes }) => plainSeed(`xz-${name}`, bytes)),
    seekableSeed(),
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

function seekableSeed(): SeedImage {
  const zstd = runSync(makeEncoders({ native: false }).load('zstd'));
  const room = new Uint8Array(2 * FRAME_BYTES);
  const frames = Array.from({ length: Math.ceil(CONTENT.length / FRAME_BYTES) }, (_, index) => {
    const part = CONTENT.subarray(index * FRAME_BYTES, (index + 1) * FRAME_BYTES);
    const bytes = room.slice(0, zstd.encodeSync(part, room)!);
    return { bytes, contentBytes: part.length };
  });
  const bytes = new Uint8Array(buildSeekableZstd(frames));
  const offset = frames.reduce((sum, each) => sum + each.bytes.length, 0);
  const place = { name: 'seek table', offset, lengthBytes: bytes.length - offset };
  const table: Region = { ...place, widthBytes: 4, bigEndian: false };
  return { ...plainSeed('zstd-seekable', bytes), regions: [table] };
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
