/** What a digest is: the same for every way of storing the same bytes, and as documented. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  digest,
  type DigestProgress,
  MemoryStorage,
  openDiskFile,
  readPartitions,
  sliceDisk,
} from '../../dist/index.js';
import { referenceDigest, referenceDigestOfZeros } from '../support/reference-digest.ts';
import { CLUSTER_BYTES, DATA_CLUSTER, sparseQcow2 } from '../support/sparse-qcow2.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;
const root = join(import.meta.dirname, '../../../..');
const folder = join(root, 'test-images');

interface ExpectedImage {
  readonly sha256: string;
  readonly passphrase?: string;
}

const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Record<
  string,
  ExpectedImage
>;
const readable = Object.entries(expected).filter(([, image]) => image.passphrase === undefined);

function raw(bytes: Uint8Array) {
  return openDiskFile(new MemoryStorage(bytes), { format: 'raw' });
}

/** Bytes that differ everywhere, without the cost of true randomness. */
function fillWithNoise(bytes: Uint8Array, seed: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
  let state = seed | 1;
  for (let at = 0; at < words.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[at] = state;
  }
}

describe('digest of the committed images', () => {
  it.each(readable)('%s', async (name, { sha256 }) => {
    await using disk = await openDiskFile(join(folder, name));
    const bytes = new Uint8Array(disk.sizeBytes);
    disk.readSync(bytes, 0);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    expect(await digest(disk)).toBe(referenceDigest(bytes));
  });

  it('is one value for the same content, however it is stored', async () => {
    const { sha256: common } = expected['zstd.qcow2']!;
    const alike = readable.filter(([, { sha256 }]) => sha256 === common).map(([name]) => name);
    expect(alike.length).toBeGreaterThan(5);
    const digests = new Set<string>();
    for (const name of alike) {
      await using disk = await openDiskFile(join(folder, name));
      digests.add(await digest(disk));
    }
    expect(digests.size).toBe(1);
  });

  it('of a partition is that of its bytes', async () => {
    await using disk = await openDiskFile(join(folder, 'mbr-logical.qcow2'));
    const table = await readPartitions(disk);
    expect(table!.partitions.length).toBe(8);
    for (const partition of table!.partitions) {
      await using slice = partition.open();
      const bytes = new Uint8Array(slice.sizeBytes);
      slice.readSync(bytes, 0);
      expect(await digest(slice)).toBe(referenceDigest(bytes));
    }
  });
});

describe('digest of disks in memory', () => {
  it.each([0, 512, 262_144, 262_656, 8 * MIB - 512, 8 * MIB, 8 * MIB + 512, 24 * MIB + 1024])(
    'of %i bytes is as defined',
    async (sizeBytes) => {
      const bytes = new Uint8Array(sizeBytes);
      fillWithNoise(bytes, sizeBytes);
      await using disk = await raw(bytes);
      expect(await digest(disk)).toBe(referenceDigest(bytes));
    },
  );

  it('follows the definition for any mix of data and zeros, at any offset of a slice', async () => {
    const piece = fc.record({
      start: fc.nat({ max: 20 * MIB }),
      lengthBytes: fc.nat({ max: 600 * 1024 }),
      seed: fc.nat(),
    });
    const window = fc.record({ start: fc.nat({ max: 9 * MIB }), rest: fc.nat({ max: 9 * MIB }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 6 }),
        window,
        async (pieces, { start, rest }) => {
          const bytes = new Uint8Array(20 * MIB);
          for (const { start: from, lengthBytes, seed } of pieces) {
            const aligned = from - (from % 4);
            fillWithNoise(bytes.subarray(aligned, aligned + lengthBytes), seed);
          }
          await using disk = await raw(bytes);
          const lengthBytes = bytes.length - start - rest;
          await using slice = sliceDisk(disk, { startBytes: start, lengthBytes });
          expect(await digest(slice)).toBe(
            referenceDigest(bytes.subarray(start, start + lengthBytes)),
          );
        },
      ),
      { numRuns: 12 },
    );
  });

  it('tells two disks apart that differ in one bit or in size alone', async () => {
    const bytes = new Uint8Array(9 * MIB);
    await using zeros = await raw(bytes);
    await using longer = await raw(new Uint8Array(9 * MIB + 512));
    const changed = bytes.slice();
    changed[9 * MIB - 1] = 1;
    await using other = await raw(changed);
    const digests = [await digest(zeros), await digest(longer), await digest(other)];
    expect(new Set(digests).size).toBe(3);
  });
});

describe('digest of holes', () => {
  it('equals that of written zeros', async () => {
    const bytes = new Uint8Array(24 * MIB);
    bytes.fill(1, 16 * MIB, 16 * MIB + CLUSTER_BYTES);
    const image = sparseQcow2({ sizeBytes: 24 * MIB, l2Entries: { 256: DATA_CLUSTER } });
    await using written = await raw(bytes);
    await using sparse = await openDiskFile(new MemoryStorage(image));
    expect(await digest(sparse)).toBe(await digest(written));
  });

  it.each([8 * MIB, 8 * GIB, 8 * GIB + 8 * MIB, 8 * TIB + 16 * GIB, 16 * TIB])(
    'of an empty disk of %i bytes is found without reading it',
    async (sizeBytes) => {
      await using disk = await openDiskFile(new MemoryStorage(sparseQcow2({ sizeBytes })));
      expect(await digest(disk)).toBe(referenceDigestOfZeros(sizeBytes));
    },
  );

  it('sees a single cluster in a large disk', async () => {
    const l2Entries = { 8191: DATA_CLUSTER };
    const image = sparseQcow2({ sizeBytes: 2 * TIB, l2Entries });
    await using disk = await openDiskFile(new MemoryStorage(image));
    const window = { startBytes: 480 * MIB, lengthBytes: 32 * MIB };
    await using slice = sliceDisk(disk, window);
    const bytes = new Uint8Array(window.lengthBytes);
    bytes.fill(1, window.lengthBytes - CLUSTER_BYTES);
    expect(await digest(slice)).toBe(referenceDigest(bytes));
    expect(await digest(disk)).not.toBe(referenceDigestOfZeros(2 * TIB));
  });
});

it('reports its progress to the end', async () => {
  const seen: DigestProgress[] = [];
  await using disk = await raw(new Uint8Array(20 * MIB).fill(1));
  await digest(disk, { onProgress: (progress) => seen.push(progress) });
  expect(seen.at(-1)).toEqual({ doneBytes: 20 * MIB, totalBytes: 20 * MIB });
});

it('is what the documentation says of three disks', async () => {
  const page = readFileSync(join(root, 'docs/digest.md'), 'utf8');
  const [empty, mebibyte, tebibytes] = page.match(/diskfile-v1:[0-9a-f]{64}/g)!;
  expect(referenceDigest(new Uint8Array(0))).toBe(empty);
  expect(referenceDigest(new Uint8Array(MIB))).toBe(mebibyte);
  expect(referenceDigestOfZeros(16 * TIB)).toBe(tebibytes);
});
