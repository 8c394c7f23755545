/** Worker threads: that they are used, agree with work in place, and fail like it. */
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digest, MemoryStorage, openDiskFile, sliceDisk } from '../../dist/index.js';
import { digest as digestFromSource, openDiskFile as openFromSource } from '../../src/index.ts';
import { referenceDigest } from '../support/reference-digest.ts';
import { DATA_CLUSTER, sparseQcow2 } from '../support/sparse-qcow2.ts';
import { countingWorkers, failureOf } from '../support/workers.ts';

const MIB = 1024 * 1024;

let directory: string;
let path: string;
let bytes: Uint8Array;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskfile-digest-'));
  path = join(directory, 'disk.raw');
  bytes = new Uint8Array(70 * MIB);
  randomFillSync(bytes, 0, 20 * MIB);
  randomFillSync(bytes, 41 * MIB, 5 * MIB);
  randomFillSync(bytes, 69 * MIB + 77, 4096);
  writeFileSync(path, bytes);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('workers', () => {
  it.each([1, 2, 5])('%i of them give the same digest as none', async (asked) => {
    await using disk = await openDiskFile(path);
    const { result, workers } = await countingWorkers(() => digest(disk, { workers: asked }));
    expect(workers).toBe(asked);
    expect(result).toBe(referenceDigest(bytes));
    expect(await digest(disk, { workers: 0 })).toBe(result);
  });

  it('see the window of a slice', async () => {
    await using disk = await openDiskFile(path);
    const startBytes = 3 * MIB + 512;
    await using slice = sliceDisk(disk, { startBytes, lengthBytes: 40 * MIB });
    await using inner = sliceDisk(slice, { startBytes: 512, lengthBytes: 20 * MIB });
    const { result, workers } = await countingWorkers(() => digest(inner, { workers: 2 }));
    expect(workers).toBe(2);
    const start = startBytes + 512;
    expect(result).toBe(referenceDigest(bytes.subarray(start, start + 20 * MIB)));
  });

  it('open the disk with the options of the first opening', async () => {
    const name = join(directory, 'header.raw');
    const image = sparseQcow2({ sizeBytes: 64 * MIB });
    writeFileSync(name, image);
    await using disk = await openDiskFile(name, { format: 'raw' });
    expect(await digest(disk, { workers: 1 })).toBe(referenceDigest(image));
  });

  it('are not started for little data, nor for what they could not open', async () => {
    const smallPath = join(directory, 'small.raw');
    writeFileSync(smallPath, bytes.subarray(0, 9 * MIB));
    await using small = await openDiskFile(smallPath);
    await using memory = await openDiskFile(new MemoryStorage(bytes));
    const little = await countingWorkers(() => digest(small));
    const unreachable = await countingWorkers(() => digest(memory, { workers: 2 }));
    expect([little.workers, unreachable.workers]).toEqual([0, 0]);
    expect(unreachable.result).toBe(referenceDigest(bytes));
  });

  it('are done without when the code runs from its sources', async () => {
    await using disk = await openFromSource(path);
    const { result, workers } = await countingWorkers(() => digestFromSource(disk, { workers: 2 }));
    expect(workers).toBe(0);
    expect(result).toBe(referenceDigest(bytes));
  });

  it('are done without when they do not start', async () => {
    await using disk = await openDiskFile(path);
    const { result } = await countingWorkers(
      () => digest(disk, { workers: 2 }),
      (worker) => void worker.terminate(),
    );
    expect(result).toBe(referenceDigest(bytes));
  });

  it('that die at work are an error', async () => {
    await using disk = await openDiskFile(path);
    const work = countingWorkers(
      () => digest(disk, { workers: 1 }),
      // The first message says that the worker is ready.
      (worker) => worker.once('message', () => void worker.terminate()),
    );
    const error = await failureOf(work);
    expect(error).toMatchObject({ code: 'io', detail: 'work.worker-died' });
    expect(error.context.path).toBe(path);
  });

  it('do not keep the process alive', () => {
    const program = `
      import { digest, openDiskFile } from ${JSON.stringify(import.meta.resolve('../../dist/index.js'))};
      const disk = await openDiskFile(process.env.DISK);
      console.log(await digest(disk, { workers: 2 }));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      env: { ...process.env, DISK: path },
      encoding: 'utf8',
    });
    expect(output.trim()).toBe(referenceDigest(bytes));
  });

  it.each([-1, 1.5, 65, NaN])('cannot be %s', async (workers) => {
    await using disk = await openDiskFile(path);
    const error = await failureOf(digest(disk, { workers }));
    expect(error).toMatchObject({ code: 'invalid-argument', detail: 'work.workers' });
  });
});

describe('errors', () => {
  it('of the image are the same from a worker and in place', async () => {
    const name = join(directory, 'corrupt.qcow2');
    // The second segment begins with a cluster at an offset that is no multiple of a cluster.
    const l2Entries = { 0: DATA_CLUSTER, 128: DATA_CLUSTER + 512 };
    writeFileSync(name, sparseQcow2({ sizeBytes: 64 * MIB, l2Entries }));
    await using disk = await openDiskFile(name);
    const inPlace = await failureOf(digest(disk, { workers: 0 }));
    const fromWorker = await failureOf(digest(disk, { workers: 2 }));
    expect(inPlace.code).toBe('corrupt');
    expect(inPlace.context).toMatchObject({ path: name, format: 'qcow2' });
    expect(fromWorker.toJSON()).toEqual(inPlace.toJSON());
  });

  it('say so when the file is no longer the one that was opened', async () => {
    const name = join(directory, 'growing.raw');
    writeFileSync(name, bytes.subarray(0, 9 * MIB));
    await using disk = await openDiskFile(name);
    appendFileSync(name, 'more');
    const grown = await failureOf(digest(disk, { workers: 1 }));
    expect(grown).toMatchObject({ code: 'busy', detail: 'open.changed' });
    rmSync(name);
    const gone = await failureOf(digest(disk, { workers: 1 }));
    expect(gone.code).toBe('not-found');
    writeFileSync(name, bytes.subarray(0, 9 * MIB));
    const replaced = await failureOf(digest(disk, { workers: 1 }));
    expect(replaced).toMatchObject({ code: 'busy', detail: 'open.changed' });
  });
});

describe('calling it off', () => {
  it('before it begins does nothing', async () => {
    await using disk = await openDiskFile(path);
    const signal = AbortSignal.abort(new Error('changed my mind'));
    const { result, workers } = await countingWorkers(() =>
      failureOf(digest(disk, { signal, workers: 2 })),
    );
    expect(workers).toBe(0);
    expect(result).toMatchObject({ code: 'aborted', errno: 'ECANCELED' });
    expect(result.cause).toMatchObject({ message: 'changed my mind' });
  });

  it.each([0, 2])('midway ends the work of %i workers', async (workers) => {
    const controller = new AbortController();
    await using disk = await openDiskFile(path);
    const work = digest(disk, { signal: controller.signal, workers });
    setImmediate(() => controller.abort());
    expect((await failureOf(work)).code).toBe('aborted');
    // The disk is still good, and so is a digest of it.
    expect(await digest(disk, { workers })).toBe(referenceDigest(bytes));
  });

  it('while the workers work is noticed', async () => {
    const controller = new AbortController();
    await using disk = await openDiskFile(path);
    const work = countingWorkers(
      () => digest(disk, { signal: controller.signal, workers: 2 }),
      (worker) => worker.once('message', () => controller.abort()),
    );
    expect((await failureOf(work)).code).toBe('aborted');
  });

  it('works for a disk whose reads never wait', async () => {
    const controller = new AbortController();
    await using disk = await openDiskFile(new MemoryStorage(bytes));
    const work = digest(disk, { signal: controller.signal });
    setImmediate(() => controller.abort());
    expect((await failureOf(work)).code).toBe('aborted');
  });
});
