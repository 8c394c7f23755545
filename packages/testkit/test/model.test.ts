import { afterAll, describe, expect, it } from 'vitest';
import type { DiskFile } from '@diskfile/core';
import { OperationCounts, qcow2Subjects, runModel, sharesOf, type Subject } from '../src/index.ts';

const OPERATIONS = Number(process.env['MODEL_OPERATIONS'] ?? 100_000);
const SEED = Number(process.env['MODEL_SEED'] ?? 1);
const KINDS =
  'write, write compressed, writeZeroes, discard, read, flush, batch, resize, clone, close, ' +
  'reopen, snapshot create, snapshot apply, snapshot delete, bitmap create, bitmap remove, ' +
  'bitmap enable, bitmap disable, bitmap clear, bitmap merge, amend, drop content';
const subjects = qcow2Subjects();

describe('random operations on qcow2 do what they do to plain bytes', () => {
  const shares = sharesOf(subjects, OPERATIONS);
  const counts = new OperationCounts();
  const cases = subjects.map((subject, index) => [subject.name, subject, shares[index]!] as const);

  it.each(cases)('%s', (_, subject, operations) => {
    runModel(subject, { operations, seed: SEED }, counts);
  });

  it('are many, and of every kind', () => {
    expect(counts.total).toBeGreaterThanOrEqual(OPERATIONS);
    for (const kind of KINDS.split(', ')) {
      expect(counts.done.get(kind) ?? 0, kind).toBeGreaterThan(OPERATIONS / 2000);
    }
  });

  afterAll(() => {
    process.stdout.write(`model, seed ${SEED}: ${counts}, ${subjects.length} subjects\n`);
  });
});

describe('a disk that is wrong in one place', () => {
  const sound = subjects.find(({ clusterBytes }) => clusterBytes === 4096)!;
  const broken: Subject = {
    ...sound,
    create: () => sound.create(),
    open: (files, options) => forgetful(sound.open(files, options)),
    verify: (files) => sound.verify(files),
    check: (files) => sound.check(files),
  };

  it('is found, and the way to it is short', () => {
    const attempt = () => runModel(broken, { operations: 10_000, seed: 1 });
    expect(attempt).toThrow(/seed: \d+,.*\nCounterexample: \[write\([^;,]*, seed 0\) /);
  });
});

/** Loses the end of the first cluster whenever that is written with more behind it. */
function forgetful(disk: DiskFile): DiskFile {
  const { writeSync } = disk;
  disk.writeSync = (src, guestOffset) => {
    const bytes = src.slice();
    if (guestOffset === 0 && src.length > 4096) bytes.fill(0, 3584, 4096);
    writeSync.call(disk, bytes, guestOffset);
  };
  return disk;
}
