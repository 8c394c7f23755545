/** A repair that loses power at any moment: nothing is lost, and the next repair ends it. */
import { MemoryStorage } from '@diskfile/core';
import { CrashLog, crashStates, Faults, FaultStorage, RecordingStorage } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { checkDiskFileSync, DiskError, type DiskFileCheckReport } from '../../src/index.ts';
import { COPIED, ImageEditor } from '../support/check/image-editor.ts';
import {
  changedClusters,
  checkBytes,
  type ImageOptions,
  isClean,
  makeImage,
} from '../support/check/memory-image.ts';

const STATES_PER_POINT = Number(process.env['CRASH_STATES'] ?? 12);

const DAMAGES: readonly [
  name: string,
  options: ImageOptions,
  damage: (image: ImageEditor) => void,
][] = [
  ['no refcount block', {}, (image) => image.setU64(image.refcountTable, 0)],
  [
    'no refcount block, refcounts of one bit',
    { refcount_bits: 1 },
    (image) => image.setU64(image.refcountTable, 0),
  ],
  [
    'a refcount block that is data as well',
    {},
    (image) => image.setEntry(70, COPIED | BigInt(image.refcountBlock(0))),
  ],
  [
    'wrong refcounts',
    { refcount_bits: 64 },
    (image) => {
      for (let index = 0; index < image.clusters; index++) {
        image.setRefcount(index * image.clusterBytes, (index * 5) % 4);
      }
    },
  ],
  [
    'wrong entries and leaks',
    {},
    (image) => {
      image.setEntry(5, image.entry(5) + 512n);
      image.setEntry(6, COPIED | (1n << 40n));
      image.setEntry(70, image.entry(45));
      image.setRefcount(image.host(3), 7);
    },
  ],
  ['a file that was cut', {}, (image) => image.resize(image.host(50) + 77)],
  [
    'version 2',
    { compat: '0.10' },
    (image) => image.bytes.fill(0, image.refcountBlock(0), image.refcountBlock(0) + 60),
  ],
];

/** Clusters that are in use and not counted, or not often enough. */
function clustersTooLow({ findings }: DiskFileCheckReport): number {
  return findings
    .filter(({ detail }) => detail === 'qcow2.check.refcount-too-low')
    .map(({ message }) => Number(/The (\d+) clusters/.exec(message)?.[1] ?? 1))
    .reduce((sum, clusters) => sum + clusters, 0);
}

function failureOf(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

function repairTwice(bytes: Uint8Array): Uint8Array {
  const once = checkBytes(bytes, { repair: 'all' });
  const twice = checkBytes(once.bytes, { repair: 'leaks' });
  expect(isClean(twice.report)).toBe(true);
  return twice.bytes;
}

describe.each(DAMAGES)('a repair of %s', (_, options, damage) => {
  const { bytes, content } = makeImage(options);
  const image = new ImageEditor(bytes);
  damage(image);
  const changed = new Set(changedClusters(image.bytes, content));
  const lost = (found: Uint8Array) =>
    changedClusters(found, content).filter((index) => !changed.has(index));

  it('loses nothing when the power goes', () => {
    const tooLow = clustersTooLow(checkBytes(image.bytes).report);
    const log = new CrashLog();
    const storage = new RecordingStorage(new MemoryStorage(image.bytes.slice(), 'image'), log);
    checkDiskFileSync(storage, { repair: 'all' });
    let states = 0;
    for (const state of crashStates(log, { statesPerPoint: STATES_PER_POINT, seed: 3 })) {
      const [{ bytes: found }] = state.storages as [MemoryStorage];
      states += 1;
      expect(lost(found), state.description).toEqual([]);
      const { report } = checkBytes(found);
      expect(clustersTooLow(report), state.description).toBeLessThanOrEqual(tooLow);
      expect(lost(repairTwice(found)), state.description).toEqual([]);
    }
    expect(states).toBeGreaterThan(log.now);
  });

  it.each(['EIO', 'ENOSPC'] as const)('loses nothing when the host fails with %s', (errno) => {
    let failAt = 1;
    for (; ; failAt++) {
      const memory = new MemoryStorage(image.bytes.slice(), 'image');
      const storage = new FaultStorage(memory, new Faults({ failAt, errno }));
      const error = failureOf(() => checkDiskFileSync(storage, { repair: 'all' }));
      expect(lost(memory.bytes)).toEqual([]);
      expect(lost(repairTwice(memory.bytes))).toEqual([]);
      if (error === undefined) break;
      expect(error).toBeInstanceOf(DiskError);
    }
    expect(failAt).toBeGreaterThan(1);
  });
});
