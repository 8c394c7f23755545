import { describe, expect, it } from 'vitest';
import { readU64be, writeU16be, writeU32be } from '@diskfile/bytes';
import { type CheckReport, MemoryStorage, runAsync, runSync } from '@diskfile/core';
import { checkQcow2 } from '../../src/check/check-qcow2.ts';
import { checkContext } from '../support/check-context.ts';
import { contentOf } from '../support/content.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const CLUSTER = 4096;

function contextOf(bytes: Uint8Array) {
  return checkContext(new MemoryStorage(bytes, 'image'));
}

function check(bytes: Uint8Array): CheckReport {
  return runSync(checkQcow2(contextOf(bytes)));
}

/** An image with 3 clusters of data, and where its tables lie. */
function makeImage(options: CreateOptions = { cluster_size: CLUSTER }) {
  const files = createImage(new ImageFiles(), 1024 * 1024, options);
  const disk = openWritable(files);
  disk.writeSync(contentOf(1, 3 * CLUSTER), 0);
  disk.closeSync();
  const bytes = files.imageBytes;
  const refcountTable = readU64be(bytes, 48, '');
  return { bytes, refcountBlock: readU64be(bytes, refcountTable, '') };
}

describe('a check', () => {
  it('finds nothing wrong with an image that is in order', async () => {
    const { bytes } = makeImage();
    const report = check(bytes);
    expect(report).toEqual({
      format: 'qcow2',
      checkErrors: 0,
      corruptions: 0,
      corruptionsFixed: 0,
      leaks: 0,
      leaksFixed: 0,
      imageEndOffset: bytes.length,
      totalClusters: 256,
      allocatedClusters: 3,
      compressedClusters: 0,
      fragmentedClusters: 0,
      findings: [],
      findingsOmitted: 0,
    });
    expect(await runAsync(checkQcow2(contextOf(bytes)))).toEqual(report);
  });

  it.each([2 ** 40, 2 ** 53, 2 ** 62, 2 ** 63 - 2 ** 31])(
    'finds a snapshot table behind the file, at %i',
    (offset) => {
      const { bytes } = makeImage({ cluster_size: CLUSTER, compat: '0.10' });
      writeU32be(bytes, 60, 1);
      writeU32be(bytes, 64, offset / 2 ** 32);
      const { corruptions, findings } = check(bytes);
      expect(corruptions).toBe(1);
      expect(findings[0]!.message).toContain('snapshot table');
    },
  );

  it('tells clusters that are counted too often from those that are counted too little', () => {
    const { bytes, refcountBlock } = makeImage();
    const last = bytes.length / CLUSTER - 1;
    writeU16be(bytes, refcountBlock + last * 2, 0);
    writeU16be(bytes, refcountBlock + (last - 1) * 2, 3);
    const report = check(bytes);
    // The copied flags of both entries are wrong as well.
    expect([report.corruptions, report.leaks]).toEqual([3, 1]);
    expect(report.findings).toContainEqual({
      kind: 'error',
      detail: 'qcow2.check.refcount-too-low',
      message: `The cluster at 0x${(last * CLUSTER).toString(16)} is counted not at all and used once`,
      hostOffset: last * CLUSTER,
      counts: { firstCluster: last, clusters: 1, stored: 0, counted: 1 },
      repaired: false,
    });
    expect(report.findings).toContainEqual({
      kind: 'leak',
      detail: 'qcow2.check.leak',
      message: `The cluster at 0x${((last - 1) * CLUSTER).toString(16)} is counted 3 times and used once`,
      hostOffset: (last - 1) * CLUSTER,
      counts: { firstCluster: last - 1, clusters: 1, stored: 3, counted: 1 },
      repaired: false,
    });
  });
});
