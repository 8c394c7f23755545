import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MemoryStorage } from '@diskfile/core';
import { describe, expect, it } from 'vitest';
import { checkDiskFile, checkDiskFileSync, DiskError, openDiskFileSync } from '../../src/index.ts';
import { COPIED, ImageEditor, ZERO } from '../support/check/image-editor.ts';
import {
  changedClusters,
  checkBytes,
  CLUSTER_BYTES,
  type ImageOptions,
  isClean,
  makeImage,
} from '../support/check/memory-image.ts';

interface RepairCase {
  readonly name: string;
  readonly options?: ImageOptions;
  damage(image: ImageEditor): void;
  /** Details of what is found. */
  readonly found: readonly string[];
  /** Guest clusters that read otherwise afterwards. */
  readonly lost?: readonly number[];
  readonly warnings?: readonly string[];
}

const detail = (name: string) => `qcow2.check.${name}`;
const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

const CASES: readonly RepairCase[] = [
  {
    name: 'a refcount that is too low',
    damage: (image) => image.setRefcount(image.host(3), 0),
    found: ['copied-flag', 'refcount-too-low'],
  },
  {
    name: 'a refcount that is too high',
    damage: (image) => image.setRefcount(image.host(3), 9),
    found: ['copied-flag', 'leak'],
  },
  {
    name: 'refcounts of 64 bits beyond 2^53',
    options: { refcount_bits: 64 },
    damage: (image) =>
      image.bytes.fill(0xff, image.refcountBlock(0) + 8, image.refcountBlock(0) + 16),
    found: ['leak'],
  },
  {
    name: 'a refcount table without blocks',
    damage: (image) => image.setU64(image.refcountTable, 0),
    found: ['copied-flag', 'refcount-too-low'],
  },
  {
    name: 'a refcount table without blocks, refcounts of one bit',
    options: { refcount_bits: 1 },
    damage: (image) => image.setU64(image.refcountTable, 0),
    found: ['copied-flag', 'refcount-too-low'],
  },
  {
    name: 'an unaligned refcount block',
    damage: (image) => image.setU64(image.refcountTable, image.refcountBlock(0) + 1024),
    found: ['refcount-block', 'refcounts-unreadable'],
  },
  {
    name: 'an unaligned L2 entry whose cluster is still there',
    damage: (image) => image.setEntry(5, image.entry(5) + 1024n),
    found: ['l2-entry-misplaced', 'refcount-too-low'],
  },
  {
    name: 'an unaligned L1 entry whose table is still there',
    damage: (image) => image.setU64(image.l1, image.u64(image.l1) + 512n),
    // The file from there on is taken for a table, as QEMU takes it.
    found: [
      'l1-entry-misplaced',
      'l2-entry-misplaced',
      'l2-reserved-bits',
      'l2-compressed-copied',
      'copied-flag',
      'leak',
    ],
  },
  {
    name: 'an L2 entry beyond the end of the file',
    damage: (image) => image.setEntry(5, COPIED | (1n << 40n)),
    found: ['l2-entry-misplaced', 'copied-flag', 'leak'],
    lost: [5],
    warnings: ['data-lost'],
  },
  {
    name: 'an unaligned cluster that holds zeros',
    damage: (image) => image.setEntry(22, COPIED | 0x7200n | ZERO),
    found: ['l2-entry-misplaced', 'refcount-too-low'],
  },
  {
    name: 'reserved bits',
    damage(image) {
      image.setEntry(5, image.entry(5) | (1n << 57n));
      image.setU64(image.l1, image.u64(image.l1) | 4n);
    },
    found: ['l1-reserved-bits', 'l2-reserved-bits'],
  },
  {
    name: 'a cluster that two entries name',
    damage: (image) => image.setEntry(5, image.entry(6)),
    found: ['refcount-too-low', 'leak'],
    lost: [5],
  },
  {
    name: 'an entry that names its own table',
    damage: (image) => image.setEntry(70, COPIED | BigInt(image.l2())),
    found: ['refcount-too-low'],
    lost: [70],
  },
  {
    name: 'an L2 table in the L1 table',
    damage: (image) => image.setU64(image.l1, COPIED | BigInt(image.l1)),
    found: ['l1-entry-misplaced', 'refcount-too-low', 'leak'],
    lost: [...range(0, 10), ...range(40, 60)],
    warnings: ['data-lost', 'leaks-kept'],
  },
  {
    name: 'a file that was cut',
    damage: (image) => image.resize(image.host(50)),
    found: ['l2-entry-misplaced'],
    lost: range(50, 60),
    warnings: ['data-lost'],
  },
  {
    name: 'the corrupt and the dirty bit',
    damage: (image) => image.setU64(72, 3n),
    found: [],
  },
];

describe('a repair of everything', () => {
  it.each(CASES)('of $name', ({ options, damage, found, lost = [], warnings = [] }) => {
    const { bytes, content } = makeImage(options);
    const image = new ImageEditor(bytes);
    damage(image);
    const { report } = checkBytes(image.bytes);
    const details = new Set(report.findings.map((finding) => finding.detail));
    expect([...details].toSorted()).toEqual(found.map(detail).toSorted());
    expect(isClean(report)).toBe(found.length === 0);

    const repaired = checkBytes(image.bytes, { repair: 'all' });
    expect(repaired.report.warnings.map((warning) => warning.detail)).toEqual(warnings.map(detail));
    expect(changedClusters(repaired.bytes, content)).toEqual(lost);
    const again = checkBytes(repaired.bytes, { repair: 'leaks' });
    expect(isClean(again.report)).toBe(true);
    expect(isClean(repaired.report)).toBe(!warnings.includes('leaks-kept'));
    expect(new ImageEditor(again.bytes).u64(72)).toBe(0n);
    expect(changedClusters(again.bytes, content)).toEqual(lost);
  });

  it('tells what it has repaired', () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setRefcount(image.host(3), 0);
    image.setRefcount(image.l2(), 5);
    const before = checkBytes(image.bytes).report;
    const { report } = checkBytes(image.bytes, { repair: 'all' });
    expect(report.corruptionsFixed).toBe(before.corruptions);
    expect(report.leaksFixed).toBe(before.leaks);
    expect(report.findings).toEqual(before.findings.map((each) => ({ ...each, repaired: true })));
  });

  it('writes nothing when nothing is wrong', () => {
    const { bytes } = makeImage();
    expect(Buffer.compare(checkBytes(bytes, { repair: 'all' }).bytes, bytes)).toBe(0);
  });

  it('clears the marks of features that it does not know, when it writes', () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setU64(88, 1n << 33n);
    image.setRefcount(image.host(3), 2);
    expect(new ImageEditor(checkBytes(image.bytes, { repair: 'leaks' }).bytes).u64(88)).toBe(0n);
  });

  it('finds room within a device that cannot grow', () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setU64(image.refcountTable, 0);
    const used = image.bytes.length;
    image.resize(used + 8 * CLUSTER_BYTES);
    const storage = new FixedStorage(image.bytes, 'device');
    expect(isClean(checkDiskFileSync(storage, { repair: 'all' }))).toBe(true);
    expect(storage.sizeBytes).toBe(image.bytes.length);
  });

  it('changes nothing where there is no room', () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setU64(image.refcountTable, 0);
    const storage = new FixedStorage(image.bytes.slice(), 'device');
    expect(() => checkDiskFileSync(storage, { repair: 'all' })).toThrowError(
      expect.objectContaining({ code: 'no-space', detail: 'qcow2.check.no-room' }),
    );
    expect(Buffer.compare(storage.bytes, image.bytes)).toBe(0);
  });
});

/** As a block device is. */
class FixedStorage extends MemoryStorage {
  override truncateSync(sizeBytes: number): void {
    if (sizeBytes === this.sizeBytes) return;
    throw new DiskError('unsupported', 'test.fixed', 'the device keeps its size');
  }
}

describe('a repair of leaks', () => {
  it('lowers refcounts and leaves errors', () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setRefcount(image.host(3), 4);
    image.setRefcount(image.host(7), 0);
    const { report } = checkBytes(image.bytes, { repair: 'leaks' });
    expect([report.corruptions, report.leaks, report.leaksFixed]).toEqual([1, 0, 1]);
    expect(report.findings.filter((each) => !each.repaired).map((each) => each.detail)) //
      .toEqual([detail('refcount-too-low')]);
  });

  it('keeps what may belong to a damaged entry', () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setEntry(5, COPIED | (1n << 40n));
    const { report, bytes } = checkBytes(image.bytes, { repair: 'leaks' });
    expect(report.leaks).toBe(1);
    expect(report.warnings.map((warning) => warning.detail)).toEqual([detail('leaks-kept')]);
    expect(Buffer.compare(bytes, image.bytes)).toBe(0);
  });
});

describe('checkDiskFile()', () => {
  it('gives the same either way', async () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setU64(image.refcountTable, 0);
    const storages = [0, 1].map(() => new MemoryStorage(image.bytes.slice(), 'image'));
    const [first, second] = storages as [MemoryStorage, MemoryStorage];
    const report = await checkDiskFile(first, { repair: 'all' });
    expect(report).toEqual(checkDiskFileSync(second, { repair: 'all' }));
    expect(Buffer.compare(first.bytes, second.bytes)).toBe(0);
  });

  it('stops when it is called off, and leaves what the next repair goes on with', async () => {
    const { bytes, content } = makeImage();
    const image = new ImageEditor(bytes);
    image.setU64(image.refcountTable, 0);
    const storage = new MemoryStorage(image.bytes.slice(), 'image');
    const controller = new AbortController();
    let calls = 0;
    const onProgress = () => {
      calls += 1;
      if (calls === 1) controller.abort();
    };
    const { signal } = controller;
    await expect(
      checkDiskFile(storage, { repair: 'all', signal, onProgress }),
    ).rejects.toThrowError(
      expect.objectContaining({
        code: 'aborted',
        context: expect.objectContaining({ op: 'check' }),
      }),
    );
    const left = checkBytes(storage.bytes, { repair: 'all' });
    expect(isClean(left.report)).toBe(true);
    expect(changedClusters(left.bytes, content)).toEqual([]);
  });

  it.each([
    ['raw', { format: 'raw' }, 'unsupported', 'check.no-check'],
    ['an unknown format', { format: 'nonsense' }, 'unsupported', 'check.unknown-format'],
    ['an unknown repair', { repair: 'some' as 'all' }, 'invalid-argument', 'check.repair'],
    [
      'a shared repair',
      { repair: 'all', forceShare: true },
      'invalid-argument',
      'check.force-share',
    ],
  ] as const)('refuses %s', (_, options, code, detailOfError) => {
    const storage = new MemoryStorage(makeImage().bytes, 'image');
    expect(() => checkDiskFileSync(storage, options)).toThrowError(
      expect.objectContaining({ code, detail: detailOfError }),
    );
  });

  it('keeps off images that others use, and keeps others off', () => {
    const root = fs.mkdtempSync(join(tmpdir(), 'diskfile-'));
    const path = join(root, 'disk.qcow2');
    fs.writeFileSync(path, makeImage().bytes);
    const busy = expect.objectContaining({ code: 'busy', detail: 'storage.locked' });
    try {
      using reader = openDiskFileSync(path);
      expect(isClean(checkDiskFileSync(path))).toBe(true);
      expect(() => checkDiskFileSync(path, { repair: 'all' })).toThrowError(busy);
      reader.closeSync();
      using writer = openDiskFileSync(path, { readOnly: false });
      expect(() => checkDiskFileSync(path)).toThrowError(busy);
      const { warnings } = checkDiskFileSync(pathToFileURL(path), { forceShare: true });
      expect(warnings).toHaveLength(1);
      writer.closeSync();
      let isKeptOff = false;
      checkDiskFileSync(path, {
        repair: 'leaks',
        onProgress() {
          expect(() => openDiskFileSync(path)).toThrowError(busy);
          isKeptOff = true;
        },
      });
      expect(isKeptOff).toBe(true);
      openDiskFileSync(path, { readOnly: false }).closeSync();
    } finally {
      fs.rmSync(root, { recursive: true });
    }
  });

  it('warns of a data file that is not to be found', () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setU64(72, 4n);
    const { warnings } = checkBytes(image.bytes).report;
    expect(warnings.map((warning) => warning.detail)).toEqual([detail('data-file')]);
  });

  it('refuses a header that says too little', () => {
    const image = new ImageEditor(makeImage().bytes);
    image.setU32(20, 40);
    expect(() => checkBytes(image.bytes)).toThrowError(
      expect.objectContaining({ code: 'unsupported', detail: 'qcow2.cluster-bits' }),
    );
  });
});
