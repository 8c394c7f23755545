/** A sample of what a loss of power leaves of disks in blocks is shown to the genuine tools. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkDiskFileSync, openDiskFileSync } from 'diskfile';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  adoptOutcome,
  allSubjects,
  blockWorkloads,
  type DiskModel,
  DiskTrial,
  haveTools,
  isDone,
  noise,
  operations,
  runCrashes,
  type SubjectFiles,
  VHD_WORKLOADS,
  VHDX_WORKLOADS,
  type Workload,
} from '../src/index.ts';

/** Of the states of each workload. */
const SAMPLE = Number(process.env['CRASH_SAMPLE'] ?? 4);
const OPERATIONS = 40;
const directory = mkdtempSync(join(tmpdir(), 'blocks-interop-'));
afterAll(() => rmSync(directory, { recursive: true }));

function run(tool: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(tool, args, { cwd: directory, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

function expectRun(tool: string, ...args: readonly string[]): void {
  const { status, output } = run(tool, ...args);
  if (status !== 0) throw new Error(`${tool} ${args.join(' ')}: ${output}`);
}

function save(files: SubjectFiles): void {
  for (const name of files.names) writeFileSync(join(directory, name), files.bytes(name));
}

function contentByQemu(format: string): Buffer {
  const theirName = format === 'vhd' ? 'vpc' : format;
  expectRun('qemu-img', 'convert', '-f', theirName, '-O', 'raw', 'image', 'content');
  return readFileSync(join(directory, 'content'));
}

function contentByUs(format: string): Buffer {
  using disk = openDiskFileSync(join(directory, 'image'), { format });
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

function sampleOf(workload: Workload): Buffer[] {
  const states: Buffer[] = [];
  runCrashes(workload, {
    statesPerPoint: 3,
    seed: 2,
    onState: (files) => void states.push(Buffer.from(files.bytes())),
  });
  const step = Math.max(1, Math.floor(states.length / SAMPLE));
  return states.filter((_, index) => index % step === 0);
}

const named = (name: string) => allSubjects().find((subject) => subject.name === name)!;
const workloads = [
  ...blockWorkloads(named('vdi dynamic')).slice(0, 3),
  ...VHD_WORKLOADS.filter(({ name }) => !/differencing|random [23]$/.test(name)),
  ...VHDX_WORKLOADS.filter(({ name }) => /^vhdx dynamic: (new|closed|random 1)/.test(name)),
];

describe.skipIf(!haveTools('qemu-img'))('to qemu-img, what a crash leaves is whole', () => {
  it.each(workloads.map((workload) => [workload.name, workload] as const))('%s', (_, workload) => {
    const { format } = workload.subject;
    for (const state of sampleOf(workload)) {
      writeFileSync(join(directory, 'image'), state);
      const before = contentByUs(format);
      // A log is applied on the way.
      if (format === 'vhdx')
        expectRun('qemu-img', 'check', '-q', '-f', 'vhdx', '-r', 'all', 'image');
      if (format === 'vdi') expectSpaceLostAtMost();
      expect(contentByQemu(format).equals(before)).toBe(true);
    }
  });

  /** The header may count a block that the map does not name yet, which is an error to QEMU. */
  function expectSpaceLostAtMost(): void {
    const { status, output } = run('qemu-img', 'check', '-q', '-f', 'vdi', 'image');
    if (status === 0) return;
    const counts = /^ERROR: allocated blocks mismatch, is (\d+), should be (\d+)\n/.exec(output);
    expect(Number(counts?.[1]), output).toBeLessThan(Number(counts?.[2]));
  }

  it('is put right by us as by qemu-img, where a log is left', () => {
    const states = workloads.filter(({ name }) => name.startsWith('vhdx')).flatMap(sampleOf);
    let replayed = 0;
    for (const state of states) {
      for (const name of ['ours', 'theirs']) writeFileSync(join(directory, name), state);
      const { corruptionsFixed } = checkDiskFileSync(join(directory, 'ours'), { repair: 'all' });
      const { output } = run('qemu-img', 'check', '-f', 'vhdx', '-r', 'all', 'theirs');
      expect(/ (\d+) corruptions/.exec(output)?.[1] ?? '0').toBe(String(corruptionsFixed));
      expectRun('qemu-img', 'check', '-q', '-f', 'vhdx', 'ours');
      expectRun('qemu-img', 'compare', '-q', 'ours', 'theirs');
      replayed += corruptionsFixed;
    }
    expect(replayed).toBeGreaterThan(3);
  });
});

/** Works at random, and closes. */
function work(trial: DiskTrial, seed: number): DiskModel {
  const model = trial.modelNow();
  for (const operation of fc.sample(operations, { seed, numRuns: OPERATIONS })) {
    if (operation.isPossible?.(model) === false) continue;
    if (isDone(operation, trial, model)) adoptOutcome(model, operation, trial);
  }
  trial.close();
  return model;
}

const subjects = allSubjects().filter(({ format }) => /^(vdi|vhd|vhdx)$/.test(format));

describe.skipIf(!haveTools('qemu-img'))('after random operations, qemu-img', () => {
  const chosen = subjects.filter(({ name }) => !/differencing|^vdi with/.test(name));

  it.each(chosen.map((subject) => [subject.name, subject] as const))(
    'finds no error, and reads the same: %s',
    (_, subject) => {
      const trial = new DiskTrial(subject);
      const model = work(trial, 5);
      save(trial.files);
      if (subject.format !== 'vhd')
        expectRun('qemu-img', 'check', '-q', '-f', subject.format, 'image');
      expect(contentByQemu(subject.format).equals(model.content)).toBe(true);
    },
  );
});

/** Reads an image over its parent with libvhdi, in pieces that it does not mix up. */
const READER = `
import pyvhdi, sys
child, parent = pyvhdi.file(), pyvhdi.file()
child.open('image')
parent.open('base')
child.set_parent(parent)
size = child.get_media_size()
done = 0
while done < size:
    part = child.read_buffer(min(size - done, 4096))
    sys.stdout.buffer.write(part)
    done += len(part)
`;
/** Debian's own, whatever comes first in the path. */
const PYTHON = '/usr/bin/python3';
const haveLibvhdi = spawnSync(PYTHON, ['-c', 'import pyvhdi']).status === 0;

describe.skipIf(!haveLibvhdi)('over the parent, libvhdi reads the same', () => {
  const chosen = subjects.filter(({ name }) => name.includes('differencing'));

  it.each(chosen.map((subject) => [subject.name, subject] as const))('%s', (_, subject) => {
    const trial = new DiskTrial(subject);
    const model = trial.modelNow();
    // Of eight sectors that share a byte of the bitmap, libvhdi takes those behind an own one for own.
    for (let index = 0; index < 12; index++) {
      const guestOffset = (index * 7 * 4096) % (subject.sizeBytes - (subject.sizeBytes % 4096));
      const bytes = noise(index, 4096);
      trial.disk.writeSync(bytes, guestOffset);
      model.write(guestOffset, bytes);
    }
    trial.close();
    save(trial.files);
    const { stdout, stderr } = spawnSync(PYTHON, ['-c', READER], {
      cwd: directory,
      maxBuffer: 2 ** 28,
    });
    expect(stderr.toString()).toBe('');
    expect(stdout.equals(model.content)).toBe(true);
  });
});
