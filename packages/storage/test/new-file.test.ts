import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { runAsync, runSync, type Step, writeBytes } from '@diskfile/core';
import { NewFile, type NewFileOptions } from '../src/index.ts';
import { WritableFileStorage } from '../src/writable-file-storage.ts';
import { pattern, tempDirectory, writeTemp } from './support/temp.ts';

const directory = tempDirectory();
afterEach(() => void vi.restoreAllMocks());

const OPTIONS = { overwrite: true, locking: { forceShare: false, warn: () => {} } };
const IN_PLACE = { ...OPTIONS, inPlace: { keepsContent: false } };

function* make(
  path: string,
  content: Uint8Array,
  options: NewFileOptions = IN_PLACE,
): Step<boolean> {
  const file = yield* NewFile.create(path, options);
  try {
    yield* writeBytes(file.storage, content, 0);
    yield* file.publish();
    return file.isInPlace;
  } finally {
    yield* file.discard();
  }
}

function failing(code: string) {
  return () => {
    throw Object.assign(new Error(code), { code });
  };
}

/** As a host does that lets no file be made in the directory. */
function forbidNewFiles(code: string): void {
  const { openSync } = fs;
  const open = ((path: fs.PathLike, ...rest: [fs.OpenMode]) =>
    String(path).endsWith('.tmp') ? failing(code)() : openSync(path, ...rest)) as typeof openSync;
  vi.spyOn(fs, 'openSync').mockImplementation(open);
}

const drivers = [
  ['synchronous', (step: Step<boolean>) => Promise.resolve().then(() => runSync(step))],
  ['asynchronous', (step: Step<boolean>) => runAsync(step)],
] as const;

describe.each(drivers)('a new file, %s', (_, run) => {
  it.each(['EBUSY', 'EXDEV', 'EPERM'])('is put into one that answers %s', async (code) => {
    const path = writeTemp(directory, 'mounted.img', pattern(5000));
    const { ino } = fs.statSync(path);
    vi.spyOn(fs, 'renameSync').mockImplementation(failing(code));
    vi.spyOn(fs.promises, 'rename').mockImplementation(async () => failing(code)());
    await expect(run(make(path, pattern(10), OPTIONS))).rejects.toMatchObject({
      errno: expect.any(String),
    });
    expect(fs.readFileSync(path)).toEqual(Buffer.from(pattern(5000)));
    expect(await run(make(path, pattern(3_000_000, 1)))).toBe(false);
    expect(fs.readFileSync(path).equals(pattern(3_000_000, 1))).toBe(true);
    expect(fs.statSync(path).ino).toBe(ino);
    expect(fs.readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('is made where a symbolic link leads to that leads nowhere yet', async () => {
    fs.rmSync(join(directory, 'made'), { recursive: true, force: true });
    fs.rmSync(join(directory, 'first'), { force: true });
    fs.rmSync(join(directory, 'second'), { force: true });
    fs.symlinkSync('second', join(directory, 'first'));
    fs.symlinkSync('made/new.img', join(directory, 'second'));
    const path = join(directory, 'first');
    await expect(run(make(path, pattern(10)))).rejects.toMatchObject({ code: 'not-found' });
    fs.mkdirSync(join(directory, 'made'));
    await expect(run(make(path, pattern(10), { ...IN_PLACE, overwrite: false }))).rejects.toThrow(
      /already/,
    );
    await run(make(path, pattern(10)));
    expect(fs.readFileSync(join(directory, 'made/new.img')).equals(pattern(10))).toBe(true);
    expect(fs.readlinkSync(path)).toBe('second');
  });
});

it('is written in place where nothing can be made beside it', () => {
  const path = writeTemp(directory, 'alone.img', pattern(5000));
  forbidNewFiles('EACCES');
  expect(() => runSync(make(path, pattern(10), OPTIONS))).toThrow(/does not permit/);
  expect(fs.readFileSync(path).equals(pattern(5000))).toBe(true);
  expect(runSync(make(path, pattern(10)))).toBe(true);
  expect(fs.readFileSync(path).equals(pattern(10))).toBe(true);
  // A file that is not there yet is simply not allowed.
  expect(() => runSync(make(join(directory, 'absent.img'), pattern(10)))).toThrow(/permit/);
});

it('is let go of after it could not be cleared', async () => {
  const path = writeTemp(directory, 'uncleared.img', pattern(5000));
  forbidNewFiles('EACCES');
  const truncate = vi.spyOn(WritableFileStorage.prototype, 'truncate');
  truncate.mockRejectedValueOnce(new DiskError('io', 'storage.io', 'Not cleared'));
  const file = runSync(NewFile.create(path, IN_PLACE));
  await expect(runAsync(writeBytes(file.storage, pattern(10), 0))).rejects.toThrow(/Not cleared/);
  await runAsync(file.discard());
  expect(() => file.replaced!.readSync(new Uint8Array(1), 0)).toThrow(/closed/);
  expect(fs.readFileSync(path).equals(pattern(5000))).toBe(true);
});

/** Undefined where there are no loop devices, or not for this user. */
function attachLoop(path: string): string | undefined {
  try {
    return execFileSync('losetup', ['-f', '--show', path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

it('is written onto a block device', async (context) => {
  const path = writeTemp(directory, 'device.img', pattern(2 ** 20));
  const device = attachLoop(path);
  if (device === undefined) return context.skip();
  try {
    expect(() => runSync(make(device, pattern(10), OPTIONS))).toThrow(/block device/);
    expect(await runAsync(make(device, pattern(100_001, 3)))).toBe(true);
    const expected = pattern(2 ** 20);
    expected.set(pattern(100_001, 3));
    expect(fs.readFileSync(device).equals(expected)).toBe(true);
    expect(() => runSync(make(device, pattern(2 ** 20 + 1)))).toThrow(/device of 1048576 bytes/);
    expect(fs.readFileSync(device).equals(expected)).toBe(true);
  } finally {
    execFileSync('losetup', ['-d', device]);
  }
});
