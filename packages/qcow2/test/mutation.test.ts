/** Damaged images: whatever is changed, nothing but a DiskError comes out, and soon. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError, writeU32be } from '@diskfile/bytes';
import type { DiskFile } from '@diskfile/core';
import { openImage, readAll } from './support/open-image.ts';
import type { ClusterSpec, Kind } from './support/content.ts';
import { EXTENSION, writeQcow2 } from './support/qcow2-writer.ts';

const KINDS: Kind[] = ['data', 'zero', 'compressed', 'unallocated', 'zero-ready', 'data'];
const clusters = Array.from({ length: 70 }, (_, fill): ClusterSpec => ({
  kind: KINDS[fill % KINDS.length]!,
  fill,
}));
const bitmaps = new Uint8Array(24);
writeU32be(bitmaps, 0, 1);
bitmaps[15] = 32;
bitmaps[22] = 2;
const subclusters = Array.from({ length: 32 }, (_, bit) => (bit % 3 === 0 ? 'data' : 'zero-ready'));

const SOURCES: Readonly<Record<string, Uint8Array>> = {
  standard: writeQcow2({
    clusters,
    backing: 'below',
    autoclear: 1,
    extensions: [{ type: EXTENSION.bitmaps, data: bitmaps }],
    snapshots: [{ id: '1', name: 'one', clusters: clusters.slice(5), diskSizeBytes: 20_000 }],
  }).bytes,
  version2: writeQcow2({ version: 2, clusters: clusters.filter(({ kind }) => !/z/.test(kind)) })
    .bytes,
  extended: writeQcow2({
    clusterBits: 14,
    extendedL2: true,
    clusters: [
      ...clusters.slice(0, 4),
      { kind: 'data', fill: 3, subclusters: subclusters as ('data' | 'zero-ready')[] },
    ],
  }).bytes,
  external: writeQcow2({
    clusters: clusters.filter(({ kind }) => kind !== 'compressed'),
    dataFile: true,
    extensions: [{ type: EXTENSION.dataFileName, data: new TextEncoder().encode('below') }],
  }).bytes,
};

interface Change {
  readonly where: number;
  readonly value: number;
  readonly width: 1 | 4;
  readonly inHeader: boolean;
}

const changes = fc.array(
  fc.record({
    where: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    value: fc.oneof(
      fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x200, 0x1_0000, 0x7fff_ffff, 0xffff_ffff),
      fc.integer({ min: 0, max: 0xffff_ffff }),
    ),
    width: fc.constantFrom(1 as const, 4 as const),
    inHeader: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);

function damaged(source: Uint8Array, list: readonly Change[], cut: number): Uint8Array {
  const bytes = source.slice();
  for (const { where, value, width, inHeader } of list) {
    const reach = inHeader ? 160 : bytes.length;
    if (width === 1) bytes[Math.floor(where * reach)] = value;
    else writeU32be(bytes, Math.floor((where * (reach - 4)) / 4) * 4, value);
  }
  return bytes.subarray(0, Math.floor(bytes.length * cut));
}

/** Does what a user would: looks at it, reads both ends and walks some of the map. */
function explore(disk: DiskFile): void {
  JSON.stringify(disk.info());
  const length = Math.min(disk.sizeBytes, 40_000);
  attempt(() => disk.readSync(new Uint8Array(length), 0));
  attempt(() => disk.readSync(new Uint8Array(length), disk.sizeBytes - length));
  for (let at = 0; at < disk.sizeBytes && at < 100 * 512; at += 512) {
    attempt(() => disk.readSync(new Uint8Array(Math.min(512, disk.sizeBytes - at)), at));
  }
  attempt(() => {
    let seen = 0;
    let at = 0;
    for (const status of disk.blockStatusSync()) {
      expect(status.guestOffset).toBe(at);
      expect(status.lengthBytes).toBeGreaterThan(0);
      at += status.lengthBytes;
      if (++seen > 300) return;
    }
    expect(at).toBe(disk.sizeBytes);
  });
}

function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    JSON.stringify(error);
  }
}

describe.each(Object.keys(SOURCES))('a damaged image: %s', (name) => {
  const source = SOURCES[name]!;
  const files = { below: new Uint8Array(9000).fill(1) };
  const limits = { maxStructureBytes: 2 ** 22, metadataCacheBytes: 2 ** 18 };

  it('can be read before it is damaged', () => {
    expect(readAll(openImage(source, { files, limits })).some((byte) => byte !== 0)).toBe(true);
  });

  it('is read, or refused with a DiskError', () => {
    const cuts = fc.oneof(fc.constant(1), fc.double({ min: 0.01, max: 1, noNaN: true }));
    const snapshots = fc.constantFrom(undefined, '1');
    fc.assert(
      fc.property(changes, cuts, snapshots, (list, cut, snapshot) => {
        const bytes = damaged(source, list, cut);
        const options = snapshot === undefined ? {} : { snapshot };
        attempt(() => explore(openImage(bytes, { files, limits, ...options })));
      }),
      { numRuns: 500 },
    );
  });
});
