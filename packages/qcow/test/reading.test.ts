import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError, writeU32be, writeU64be } from '@diskfile/bytes';
import { type DiskFile, MemoryStorage, type OpenGate } from '@diskfile/core';
import { detailOf } from '@diskfile/testkit';
import { openDiskFileSync } from 'diskfile';
import { type ClusterSpec, contentOf, type ImageSpec, writeImage } from './support/image-writer.ts';

function openImage(bytes: Uint8Array, below?: Uint8Array): DiskFile {
  const gate: OpenGate = {
    *open({ file }) {
      if (below === undefined) throw new DiskError('denied', 'test.gate', file.filename);
      return new MemoryStorage(below, file.filename);
    },
  };
  return openDiskFileSync(new MemoryStorage(bytes, 'image'), { format: 'qcow', gate });
}

/** What the disk holds, given what lies below it. */
function modelOf({ clusters, clusterBits = 9 }: ImageSpec, below: Uint8Array): Uint8Array {
  const clusterBytes = 2 ** clusterBits;
  const model = new Uint8Array(clusters.length * clusterBytes);
  model.set(below.subarray(0, model.length));
  for (const [index, { kind, fill }] of clusters.entries()) {
    if (kind !== 'unallocated') model.set(contentOf(fill, clusterBytes), index * clusterBytes);
  }
  return model;
}

const cluster = fc.record({
  kind: fc.constantFrom('unallocated' as const, 'data' as const, 'compressed' as const),
  fill: fc.nat(9),
});
const images = fc.record({
  clusterBits: fc.constantFrom(9, 10, 12),
  l2Bits: fc.constantFrom(6, 7),
  clusters: fc.array(cluster, { minLength: 1, maxLength: 150 }),
});
const DATA: ClusterSpec = { kind: 'data', fill: 1 };

describe('qcow version 1', () => {
  it('reads as its model, and block status tiles it', () => {
    fc.assert(
      fc.property(images, fc.boolean(), (spec, backed) => {
        const clusterBytes = 2 ** spec.clusterBits;
        const sizeBytes = spec.clusters.length * clusterBytes;
        const below = new Uint8Array(backed ? Math.floor(sizeBytes / 2) : 0).fill(0x55);
        const written = writeImage(backed ? { ...spec, backing: 'below' } : spec);
        const disk = openImage(written.bytes, below);
        const content = new Uint8Array(sizeBytes);
        disk.readSync(content, 0);
        expect(Buffer.compare(content, modelOf(spec, below))).toBe(0);
        let at = 0;
        for (const status of disk.blockStatusSync()) {
          expect(status.guestOffset).toBe(at);
          at += status.lengthBytes;
        }
        expect(at).toBe(sizeBytes);
      }),
    );
  });

  it('is described', () => {
    const disk = openImage(writeImage({ clusters: [DATA] }).bytes);
    expect(disk.format).toBe('qcow');
    expect(disk.info()[0]).toMatchObject({
      format: 'qcow',
      clusterBytes: 512,
      details: { l2TableBytes: 512 },
    });
  });

  it.each<[detail: string, code: string, change: (bytes: Uint8Array) => void]>([
    ['qcow.cluster-bits', 'corrupt', (bytes) => bytes.fill(8, 32, 33)],
    ['qcow.cluster-bits', 'corrupt', (bytes) => bytes.fill(17, 32, 33)],
    ['qcow.l2-bits', 'corrupt', (bytes) => bytes.fill(5, 33, 34)],
    ['qcow.l2-bits', 'corrupt', (bytes) => bytes.fill(14, 33, 34)],
    ['qcow.size', 'corrupt', (bytes) => writeU64be(bytes, 24, 1)],
    ['qcow.l1-table-too-large', 'limit', (bytes) => writeU64be(bytes, 24, 2 ** 50)],
    ['qcow.crypt-method', 'unsupported', (bytes) => writeU32be(bytes, 36, 2)],
    [
      'qcow.backing-name',
      'corrupt',
      (bytes) => (writeU64be(bytes, 8, 48), writeU32be(bytes, 16, 1024)),
    ],
    [
      'qcow.backing-name',
      'corrupt',
      (bytes) => (writeU64be(bytes, 8, 2 ** 40), writeU32be(bytes, 16, 4)),
    ],
  ])('refuses headers: %s', (detail, code, change) => {
    const { bytes } = writeImage({ clusters: [DATA] });
    change(bytes);
    expect(() => openImage(bytes)).toThrowError(expect.objectContaining({ code, detail }));
  });

  it('has no snapshots', () => {
    const { bytes } = writeImage({ clusters: [DATA] });
    const open = () =>
      openDiskFileSync(new MemoryStorage(bytes), { format: 'qcow', snapshot: 'a' });
    expect(detailOf(open)).toBe('qcow.no-snapshots');
  });

  it('leaves out what is over a sector', () => {
    expect(openImage(writeImage({ clusters: [DATA], sizeBytes: 511 + 512 }).bytes).sizeBytes).toBe(
      512,
    );
  });

  it('refuses entries that no cluster can begin at', () => {
    const spec: ImageSpec = { clusters: [DATA, { kind: 'compressed', fill: 1 }] };
    const { bytes, l2Offset } = writeImage(spec);
    const view = new DataView(bytes.buffer);
    view.setUint32(l2Offset + 4, view.getUint32(l2Offset + 4) + 8);
    view.setUint32(l2Offset + 8, 0x7fff_ffff);
    const disk = openImage(bytes);
    const details = ['qcow.l2-entry-unaligned', 'qcow.offset-too-far'];
    for (const [index, detail] of details.entries()) {
      const offset = index * 512;
      expect(() => disk.readSync(new Uint8Array(512), offset)).toThrowError(
        expect.objectContaining({
          code: 'corrupt',
          detail,
          context: expect.objectContaining({ offset: l2Offset + offset / 64 }),
        }),
      );
    }
  });

  it('encrypted, opens, tells it, and is read as far as nothing is encrypted', () => {
    const clusters: ClusterSpec[] = [
      DATA,
      { kind: 'compressed', fill: 1 },
      { kind: 'unallocated', fill: 1 },
    ];
    const disk = openImage(writeImage({ clusters, cryptMethod: 1 }).bytes);
    expect(disk.info()[0]!.details['encryption']).toEqual({ method: 'aes', locked: true });
    disk.readSync(new Uint8Array(512), 1024);
    // Compressed clusters are not.
    disk.readSync(new Uint8Array(512), 512);
    expect(detailOf(() => disk.readSync(new Uint8Array(512), 0))).toBe('qcow.passphrase-missing');
  });
});
