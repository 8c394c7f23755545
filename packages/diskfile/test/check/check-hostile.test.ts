/** Images made to cost time and memory, and images of noise: a check ends, with a report or refusal. */
import { MemoryStorage } from '@diskfile/core';
import { SeededRandom } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { checkDiskFileSync, DiskError } from '../../src/index.ts';
import { COPIED, ImageEditor } from '../support/check/image-editor.ts';
import { makeImage } from '../support/check/memory-image.ts';

/** A quarter of what there can be. */
const L1_ENTRIES = 2 ** 20;
const RUNS = Number(process.env['NOISE_RUNS'] ?? 150);

/** Appends bytes to an image at a cluster; returns where. */
function append(image: ImageEditor, lengthBytes: number): number {
  const offset = image.clusters * image.clusterBytes;
  image.resize(offset + lengthBytes);
  return offset;
}

/** A large L1 table, all entries the same. */
function appendL1(image: ImageEditor, entry: bigint): number {
  const offset = append(image, L1_ENTRIES * 8);
  for (let index = 0; index < L1_ENTRIES; index++) image.setU64(offset + index * 8, entry);
  return offset;
}

function check(image: ImageEditor) {
  return checkDiskFileSync(new MemoryStorage(image.bytes, 'image'), { format: 'qcow2' });
}

describe('a check of an image that is made to last', () => {
  it('looks at an L2 table once, however many entries name it', () => {
    const image = new ImageEditor(makeImage({ cluster_size: 65_536 }).bytes);
    const entry = COPIED | BigInt(image.l2());
    image.setU64(40, appendL1(image, entry));
    image.setU32(36, L1_ENTRIES);
    const report = check(image);
    const clusters = report.allocatedClusters / L1_ENTRIES;
    expect(clusters).toBeGreaterThan(0);
    expect(Number.isInteger(clusters)).toBe(true);
  });

  it('looks at an L1 table once, however many snapshots name it', () => {
    const image = new ImageEditor(makeImage({ cluster_size: 65_536 }).bytes);
    const l1 = appendL1(image, 0n);
    image.setU64(l1, BigInt(image.l2()));
    const snapshots = 65_535;
    const table = append(image, snapshots * 56);
    for (let index = 0; index < snapshots; index++) {
      const at = table + index * 56;
      image.setU64(at, l1);
      image.setU32(at + 8, L1_ENTRIES - (index % 1000));
      image.setU32(at + 36, 16);
    }
    image.setU32(60, snapshots);
    image.setU64(64, table);
    const report = check(image);
    const messages = report.findings.map(({ message }) => message);
    expect(messages.join('\n')).toContain(`used ${snapshots} times`);
  });

  it('bears a refcount table full of one block', () => {
    const image = new ImageEditor(makeImage({ cluster_size: 512 }).bytes);
    const block = image.refcountBlock(0);
    const table = append(image, 2 ** 20);
    for (let at = table; at < image.bytes.length; at += 8) image.setU64(at, block);
    image.setU64(48, table);
    image.setU32(56, 2 ** 20 / 512);
    const report = check(image);
    expect(report.corruptions).toBeGreaterThan(2 ** 17 - 2);
    expect(report.findings).toHaveLength(1000);
    expect(report.findingsOmitted).toBeGreaterThan(2 ** 17 - 2000);
  });

  it('gives up where unaligned tables overlap without end', () => {
    const image = new ImageEditor(makeImage({ cluster_size: 2 ** 21 }).bytes);
    const l1 = append(image, L1_ENTRIES * 8);
    for (let index = 0; index < L1_ENTRIES; index++) {
      image.setU64(l1 + index * 8, 512 * (1 + (index % 60_000)));
    }
    image.setU64(40, l1);
    image.setU32(36, L1_ENTRIES);
    expect(() => check(image)).toThrowError(
      expect.objectContaining({ code: 'corrupt', detail: 'qcow2.check.l2-tables-unaligned' }),
    );
  });

  it('gives up where counting takes too much memory', () => {
    const image = new ImageEditor(makeImage().bytes);
    const limits = { maxStructureBytes: 8192 };
    const storage = new MemoryStorage(image.bytes, 'image');
    expect(() => checkDiskFileSync(storage, { format: 'qcow2', limits })).toThrowError(
      expect.objectContaining({ code: 'limit', detail: 'qcow2.too-many-clusters' }),
    );
  });
});

describe('a check and repair of noise', () => {
  const OPTIONS = [
    { cluster_size: 512 },
    { cluster_size: 4096, refcount_bits: 1 },
    { cluster_size: 16_384, extended_l2: true },
    { cluster_size: 4096, compat: '0.10' },
  ];
  const sources = OPTIONS.map((options) => makeImage(options).bytes);

  function addNoise(image: ImageEditor, random: SeededRandom): void {
    const { clusterBytes } = image;
    for (let count = 1 + random.below(12); count > 0; count--) {
      const reach = random.below(3) === 0 ? 112 : Math.min(image.bytes.length, 8 * clusterBytes);
      const at = random.below(reach);
      if (random.below(2) === 0) image.bytes[at] = random.below(256);
      else image.bytes.set(random.bytes(16).subarray(0, reach - at), at);
    }
    // Half of the headers stay good enough to go on.
    if (random.below(2) === 0) image.setU32(0, 0x5146_49fb);
  }

  it(`ends with a report or a refusal, ${RUNS} times`, () => {
    let reports = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const random = new SeededRandom(seed);
      const image = new ImageEditor(random.pick(sources).slice());
      addNoise(image, random);
      const storage = new MemoryStorage(image.bytes, 'image');
      try {
        const report = checkDiskFileSync(storage, { format: 'qcow2', repair: 'all' });
        const again = checkDiskFileSync(storage, { format: 'qcow2' });
        expect([again.corruptions, again.leaks], `seed ${seed}`) //
          .toEqual([report.corruptions, report.leaks]);
        reports += 1;
      } catch (error) {
        if (!(error instanceof DiskError)) throw new Error(`seed ${seed}`, { cause: error });
      }
      // Growth is for new refcounts, not for what entries claim.
      expect(storage.sizeBytes).toBeLessThan(128 * 2 ** 20);
    }
    expect(reports).toBeGreaterThan(RUNS / 6);
  });
});
