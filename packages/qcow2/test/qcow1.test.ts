import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeU32be, writeU64be } from '@diskfile/bytes';
import { errorOf, firstDifference, openImage, readAll } from './support/open-image.ts';
import { type Qcow1Spec, writeQcow1 } from './support/qcow1-writer.ts';
import { type ClusterSpec, modelOf } from './support/content.ts';

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
        const written = writeQcow1(backed ? { ...spec, backing: 'below' } : spec);
        const disk = openImage(written.bytes, { files: { below } });
        const model = modelOf(spec.clusters, clusterBytes, sizeBytes, below);
        expect(firstDifference(readAll(disk), model)).toBe(-1);
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
    const disk = openImage(writeQcow1({ clusters: [DATA] }).bytes);
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
    const { bytes } = writeQcow1({ clusters: [DATA] });
    change(bytes);
    expect(errorOf(() => openImage(bytes))).toMatchObject({ code, detail });
  });

  it('has no snapshots', () => {
    const { bytes } = writeQcow1({ clusters: [DATA] });
    expect(errorOf(() => openImage(bytes, { snapshot: 'a' }))).toMatchObject({
      code: 'not-found',
      detail: 'qcow.no-snapshots',
    });
  });

  it('leaves out what is over a sector', () => {
    expect(openImage(writeQcow1({ clusters: [DATA], sizeBytes: 511 + 512 }).bytes).sizeBytes).toBe(
      512,
    );
  });

  it('refuses entries that no cluster can begin at', () => {
    const spec: Qcow1Spec = { clusters: [DATA, { kind: 'compressed', fill: 1 }] };
    const { bytes, l2Offset } = writeQcow1(spec);
    const view = new DataView(bytes.buffer);
    view.setUint32(l2Offset + 4, view.getUint32(l2Offset + 4) + 8);
    view.setUint32(l2Offset + 8, 0xffff_ffff);
    const disk = openImage(bytes);
    const details = ['qcow.l2-entry-unaligned', 'qcow2.offset-too-far'];
    for (const [index, detail] of details.entries()) {
      const offset = index * 512;
      expect(errorOf(() => disk.readSync(new Uint8Array(512), offset))).toMatchObject({
        code: 'corrupt',
        detail,
        context: { offset: l2Offset + offset / 64 },
      });
    }
  });

  it('encrypted, opens, tells it, and refuses to be read', () => {
    const clusters: ClusterSpec[] = [
      DATA,
      { kind: 'compressed', fill: 1 },
      { kind: 'unallocated', fill: 1 },
    ];
    const disk = openImage(writeQcow1({ clusters, cryptMethod: 1 }).bytes);
    expect(disk.info()[0]!.details['encryption']).toEqual({ method: 'aes' });
    disk.readSync(new Uint8Array(512), 1024);
    for (const offset of [0, 512]) {
      expect(errorOf(() => disk.readSync(new Uint8Array(512), offset))).toMatchObject({
        code: 'unsupported',
        detail: 'qcow.encrypted',
      });
    }
  });
});
