/** What a single lookup answers: how far it reaches, and the place of what is compressed. */
import { describe, expect, it } from 'vitest';
import { MemoryStorage, runSync } from '@diskfile/core';
import { isMetadataPreallocated } from '../../src/allocation/sparseness.ts';
import { lookUp, openLayer } from '../support/open-image.ts';
import type { ClusterSpec } from '../support/content.ts';
import { EXTENSION, writeQcow2 } from '../support/qcow2-writer.ts';

const DATA: ClusterSpec = { kind: 'data', fill: 1 };
const COMPRESSED: ClusterSpec = { kind: 'compressed', fill: 2 };

describe('a lookup', () => {
  const KINDS = ['data', 'zero', 'zero-ready', 'unallocated'] as const;

  it.each(KINDS)('reaches over all neighbours that are %s, within what is asked', (kind) => {
    const run = Array.from({ length: 9 }, (_, fill): ClusterSpec => ({ kind, fill }));
    const { bytes, sizeBytes } = writeQcow2({ clusters: [COMPRESSED, ...run, COMPRESSED] });
    const image = openLayer(bytes);
    expect(lookUp(image, 512 + 5, sizeBytes - 517).lengthBytes).toBe(9 * 512 - 5);
    expect(lookUp(image, 512 + 5, 700).lengthBytes).toBe(700);
    expect(lookUp(image, 512 * 9 + 500, 100).lengthBytes).toBe(12);
  });

  it.each(KINDS)('reaches over the %s subclusters of several clusters', (kind) => {
    const half = Array.from({ length: 32 }, (_, bit) => (bit < 8 ? ('data' as const) : kind));
    const run = Array.from({ length: 3 }, (_, fill): ClusterSpec => ({ kind, fill }));
    const clusters = [{ ...DATA, subclusters: half }, ...run, COMPRESSED];
    const written = writeQcow2({ clusterBits: 14, extendedL2: true, clusters });
    const image = openLayer(written.bytes);
    const end = 4 * 16384;
    // Subclusters of a cluster with a place on the host are not those of one without.
    const hosted = kind === 'data' || kind === 'zero-ready';
    expect(lookUp(image, 4097, end).lengthBytes).toBe((hosted ? end : 16384) - 4097);
    expect(lookUp(image, 16385, end).lengthBytes).toBe(end - 16385);
  });

  it('stops before a cluster that is not where the run would have it', () => {
    const clusters = [DATA, DATA, DATA];
    const image = openLayer(writeQcow2({ clusters, placement: [1, 0, 2] }).bytes);
    expect([0, 512, 1024].map((at) => lookUp(image, at, 1536 - at).lengthBytes)).toEqual([
      512, 512, 512,
    ]);
  });

  it('stops before an extended entry that cannot be', () => {
    const written = writeQcow2({ clusterBits: 14, extendedL2: true, clusters: [DATA, DATA] });
    const image = openLayer(written.bytes);
    expect(lookUp(image, 0, 32768).lengthBytes).toBe(32768);
    new DataView(written.bytes.buffer).setUint32(written.l2EntryOffset(1) + 8, 2 ** 31);
    expect(lookUp(openLayer(written.bytes), 0, 32768).lengthBytes).toBe(16384);
  });

  it('stops within an extended cluster, whatever the next one says', () => {
    const zero: ClusterSpec = { kind: 'zero', fill: 0 };
    const part = Array.from({ length: 32 }, (_, bit) =>
      bit < 8 ? ('zero' as const) : ('unallocated' as const),
    );
    const clusters = [zero, { ...zero, subclusters: part }, zero];
    const written = writeQcow2({ clusterBits: 14, extendedL2: true, clusters });
    const image = openLayer(written.bytes);
    expect(lookUp(image, 512, 3 * 16384 - 512).lengthBytes).toBe(16384 + 8 * 512 - 512);
    expect(lookUp(image, 16384 + 4096, 16384).lengthBytes).toBe(24 * 512);
  });

  it('gives compressed clusters up to the end of their last sector', () => {
    const written = writeQcow2({ clusterBits: 12, clusters: [COMPRESSED] });
    const extent = lookUp(openLayer(written.bytes), 100, 4096 - 100);
    expect(extent).toMatchObject({ kind: 'encoded', unitLengthBytes: 4096, unitSkipBytes: 100 });
    expect(extent.lengthBytes).toBe(3996);
    expect(extent.hostOffset % 512).toBe(100);
    expect((extent.hostOffset + extent.encodedLengthBytes) % 512).toBe(0);
    const tail = written.bytes.subarray(extent.hostOffset + extent.encodedLengthBytes);
    expect(tail.every((byte) => byte === 0)).toBe(true);
    const lastSector = written.bytes.subarray(
      extent.hostOffset + extent.encodedLengthBytes - 512,
      extent.hostOffset + extent.encodedLengthBytes,
    );
    expect(lastSector.some((byte) => byte !== 0)).toBe(true);
  });

  it('finds its way in tables that are longer than a slice', () => {
    const clusters: ClusterSpec[] = Array.from({ length: 10_000 }, () => ({
      kind: 'unallocated',
      fill: 0,
    }));
    clusters[8191] = { kind: 'zero', fill: 0 };
    clusters[8192] = DATA;
    const image = openLayer(writeQcow2({ clusterBits: 17, clusters }).bytes);
    const at = (cluster: number) =>
      lookUp(image, cluster * 2 ** 17, (clusters.length - cluster) * 2 ** 17);
    expect(at(8190)).toMatchObject({ kind: 'backing', lengthBytes: 2 ** 17 });
    expect(at(8191)).toMatchObject({ kind: 'zero', lengthBytes: 2 ** 17 });
    expect(at(8192)).toMatchObject({ kind: 'data', lengthBytes: 2 ** 17 });
    expect(at(8193)).toMatchObject({ kind: 'backing', lengthBytes: 2 ** 17 * (10_000 - 8193) });
  });
});

describe('an image is taken for preallocated', () => {
  /** Of 512 bytes each; the first counts those in use, as many as lie one behind the other. */
  function isTaken(fileClusters: number, usedClusters: number, allocatedClusters: number) {
    const bytes = new Uint8Array(fileClusters * 512);
    bytes[6] = 2; // the only entry of the table: the block is the second cluster
    for (let cluster = 0; cluster < usedClusters; cluster++) bytes[512 + cluster * 2 + 1] = 1;
    const allocatedBytes = () => allocatedClusters * 512;
    const storage = Object.assign(new MemoryStorage(bytes), { allocatedBytes });
    const refcountTable = { offset: 0, clusters: 1 };
    return runSync(
      isMetadataPreallocated(storage, { clusterBytes: 512, refcountBits: 16, refcountTable }),
    );
  }

  it('when its file has a ninth and two more clusters in use than bytes on the host', () => {
    expect(isTaken(10, 10, 9)).toBe(false);
    expect(isTaken(10, 10, 8)).toBe(true);
    expect(isTaken(100, 100, 91)).toBe(false);
    expect(isTaken(101, 101, 91)).toBe(true);
    expect(isTaken(101, 100, 91)).toBe(false);
  });

  it('after a bounded number of counts, however narrow they are', () => {
    const clusterBytes = 65_536;
    /** Two TiB long: every entry of its table names the same block, which counts nothing. */
    class LongStorage extends MemoryStorage {
      reads = 0;
      override get sizeBytes(): number {
        return 2 ** 41;
      }
      override allocatedBytes = () => 0;
      override readSync(dst: Uint8Array): void {
        this.reads += 1;
        const view = new DataView(dst.buffer, dst.byteOffset, dst.length);
        dst.fill(0);
        if (this.reads > 1) return;
        for (let at = 0; at < dst.length; at += 8) view.setUint32(at + 4, clusterBytes);
      }
    }
    const storage = new LongStorage(new Uint8Array(0));
    const refcountTable = { offset: clusterBytes, clusters: 1 };
    const taken = isMetadataPreallocated(storage, { clusterBytes, refcountBits: 1, refcountTable });
    expect([runSync(taken), storage.reads]).toEqual([true, 1 + 32]);
  });

  it('but never when its data lies in a file of its own', () => {
    const extensions = [{ type: EXTENSION.dataFileName, data: new TextEncoder().encode('d') }];
    const written = writeQcow2({ clusters: [DATA], dataFile: true, extensions });
    const sparse = new MemoryStorage(written.bytes);
    sparse.allocatedBytes = () => 0;
    expect(openLayer(sparse, { files: { d: written.dataFile } }).dataMayBeSparse).toBe(false);
    const { bytes } = writeQcow2({ clusters: [DATA] });
    // A block behind all others counts all of them; the table is the second cluster.
    const counted = new Uint8Array(bytes.length + 512).fill(1);
    counted.set(bytes);
    new DataView(counted.buffer).setUint32(512 + 4, bytes.length);
    const plain = new MemoryStorage(counted);
    plain.allocatedBytes = () => 0;
    expect(openLayer(plain).dataMayBeSparse).toBe(true);
  });
});
