/** What random operations leave is whole to qemu-img, which reads the same from it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  adoptOutcome,
  type DiskModel,
  DiskTrial,
  haveTools,
  isDone,
  operations,
  QemuDirectory,
  qcow2Subjects,
  type SubjectFiles,
} from '../src/index.ts';

const SEQUENCES = Number(process.env['MODEL_SEQUENCES'] ?? 2);
const OPERATIONS = 70;
const subjects = qcow2Subjects();

describe.skipIf(!haveTools('qemu-img'))('after random operations, qemu-img', () => {
  const directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'model-interop-')));
  afterAll(() => rmSync(directory.path, { recursive: true }));

  it.each(subjects.map((subject) => [subject.name, subject] as const))(
    'finds no error and no leak, and reads the same: %s',
    (_, subject) => {
      for (let seed = 1; seed <= SEQUENCES; seed++) {
        const trial = new DiskTrial(subject);
        const model = work(trial, seed);
        trial.close();
        save(trial.files, directory);
        // Throws unless there is no error and no leak.
        directory.img('check', '-q', '-f', 'qcow2', 'image');
        expectContent(directory, model.content);
        for (const { name, content } of model.snapshots) {
          expectSnapshot(directory, name, content);
        }
        expect(bitmapNames(directory)).toEqual(model.bitmaps.map(({ name }) => name));
      }
    },
  );
});

function work(trial: DiskTrial, seed: number): DiskModel {
  const model = trial.modelNow();
  for (const operation of fc.sample(operations, { seed, numRuns: OPERATIONS })) {
    if (operation.isPossible?.(model) === false) continue;
    if (isDone(operation, trial, model)) adoptOutcome(model, operation, trial);
  }
  return model;
}

function save(files: SubjectFiles, directory: QemuDirectory): void {
  for (const name of files.names) writeFileSync(directory.file(name), files.bytes(name));
}

function expectContent(directory: QemuDirectory, expected: Uint8Array): void {
  const found = converted(directory);
  expect(found.length).toBe(expected.length);
  expect(Buffer.compare(found, expected)).toBe(0);
}

/** Of a snapshot of another size qemu-img reads as much as the disk has now. */
function expectSnapshot(directory: QemuDirectory, name: string, expected: Uint8Array): void {
  const found = converted(directory, '-l', `snapshot.name=${name}`);
  const length = Math.min(found.length, expected.length);
  expect(Buffer.compare(found.subarray(0, length), expected.subarray(0, length))).toBe(0);
}

function converted(directory: QemuDirectory, ...which: string[]): Buffer {
  directory.img('convert', '-f', 'qcow2', '-O', 'raw', ...which, 'image', 'content');
  return readFileSync(directory.file('content'));
}

function bitmapNames(directory: QemuDirectory): string[] {
  interface Info {
    readonly 'format-specific': { readonly data: { readonly bitmaps?: { name: string }[] } };
  }
  const info = JSON.parse(directory.img('info', '--output=json', '-f', 'qcow2', 'image')) as Info;
  return (info['format-specific'].data.bitmaps ?? []).map(({ name }) => name);
}
