import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DiskWarning, runAsync, runSync, type Step, type Storage } from '@diskfile/core';
import {
  canLockImages,
  createFileStorage,
  type HostFiles,
  nodeHostFiles,
  openFileStorage,
} from '../src/index.ts';
import { isInLockList } from '../src/image-lock.ts';
import { tempDirectory, writeTemp } from './support/temp.ts';

const directory = tempDirectory();
const path = writeTemp(directory, 'image', new Uint8Array(1024));

function open(
  writable: boolean,
  forceShare = false,
): { storage: Storage; warnings: DiskWarning[] } {
  const warnings: DiskWarning[] = [];
  const locking = { forceShare, warn: (warning: DiskWarning) => void warnings.push(warning) };
  return { storage: runSync(openFileStorage(path, { writable, locking })), warnings };
}

/** Files as the host has them, with something that happens once one is open. */
function filesThat(meanwhile: () => void): HostFiles {
  return {
    ...nodeHostFiles,
    *open(file, options) {
      const opened = yield* nodeHostFiles.open(file, options);
      meanwhile();
      return opened;
    },
  };
}

const locked = expect.objectContaining({ code: 'busy', detail: 'storage.locked' });

describe('image locks', () => {
  it('can be had on the hosts of our tests', () => expect(canLockImages()).toBe(true));

  it.each([
    ['a writer', true, 'a writer', true],
    ['a writer', true, 'a reader', false],
    ['a reader', false, 'a writer', true],
  ])('%s keeps %s off for as long as it is open', (_first, first, _second, second) => {
    const { storage } = open(first);
    expect(() => open(second)).toThrowError(locked);
    // Whoever was refused has left no lock behind.
    expect(() => open(second)).toThrowError(locked);
    storage.closeSync();
    const { storage: next, warnings } = open(second);
    expect(warnings).toEqual([]);
    next.closeSync();
  });

  it('readers do not mind each other', () => {
    const first = open(false);
    const second = open(false);
    expect([...first.warnings, ...second.warnings]).toEqual([]);
    first.storage.closeSync();
    second.storage.closeSync();
  });

  it('a reader that shares by force is warned of a writer, and hinders nobody', () => {
    const writer = open(true);
    const reader = open(false, true);
    expect(reader.warnings).toMatchObject([{ detail: 'storage.in-use' }]);
    writer.storage.closeSync();
    const next = open(true);
    next.storage.closeSync();
    reader.storage.closeSync();
    const alone = open(false, true);
    expect(alone.warnings).toEqual([]);
    alone.storage.closeSync();
  });

  it.each([true, false])('show a file as whoever had it before has left it (%s)', async (sync) => {
    const target = writeTemp(directory, 'left', 'short');
    const locking = { forceShare: false, warn: () => {} };
    const run = <T>(step: Step<T>) => (sync ? runSync(step) : runAsync(step));
    const opening = (meanwhile: () => void) =>
      openFileStorage(target, { locking, files: filesThat(meanwhile), writable: true });
    const storage = await run(opening(() => fs.appendFileSync(target, 'er and longer')));
    expect(storage.sizeBytes).toBe('shorter and longer'.length);
    storage.closeSync();
    // The file that was opened has another name now, and another one has the path.
    const replace = () => {
      fs.renameSync(target, `${target}.base`);
      fs.writeFileSync(target, 'overlay');
    };
    await expect((async () => run(opening(replace)))()).rejects.toMatchObject({
      code: 'busy',
      detail: 'storage.replaced',
    });
    const held = runSync(openFileStorage(`${target}.base`, { locking, writable: true }));
    held.closeSync();
  });

  it('come before a file is emptied', () => {
    const target = writeTemp(directory, 'precious', 'precious');
    const locking = { forceShare: false, warn: () => {} };
    const reader = runSync(openFileStorage(target, { locking }));
    expect(() => runSync(createFileStorage(target, { exclusive: false, locking }))).toThrowError(
      locked,
    );
    expect(fs.readFileSync(target, 'utf8')).toBe('precious');
    reader.closeSync();
  });

  it('are listed by the host as we read that list', () => {
    const { storage } = open(true);
    const { dev, ino } = fs.statSync(path, { bigint: true });
    const list = fs.readFileSync('/proc/locks', 'latin1');
    const file = { deviceNumber: Number(dev), inode: ino };
    const listed = (byte: number) => isInLockList(list, file, byte);
    expect([100, 101, 102, 103, 200, 201, 202, 203].filter(listed)).toEqual(
      [100, 101, 103, 201, 203], //
    );
    storage.closeSync();
  });
});

describe('the list of locks', () => {
  const list = [
    '1: OFDLCK ADVISORY  READ -1 fe:00:2197202 100 101',
    '2: POSIX  ADVISORY  WRITE 1234 fe:00:77 0 EOF',
    '3: FLOCK  ADVISORY  WRITE 1234 fe:00:78 0 EOF',
    '3: -> OFDLCK  ADVISORY  WRITE -1 fe:00:79 0 EOF',
    '',
  ].join('\n');
  const deviceNumber = 0xfe00;

  it.each([
    [2197202n, 100, true],
    [2197202n, 101, true],
    [2197202n, 99, false],
    [2197202n, 102, false],
    [77n, 5000, true],
    [78n, 5, false],
    [79n, 5, false],
    [219720n, 100, false],
  ])('inode %d, byte %d: %s', (inode, byte, expected) => {
    expect(isInLockList(list, { deviceNumber, inode }, byte)).toBe(expected);
  });

  it('of another device says nothing', () => {
    expect(isInLockList(list, { deviceNumber: 0x801, inode: 77n }, 5)).toBe(false);
  });
});

it('a file without locks is not touched by them', () => {
  const plain = writeTemp(directory, 'plain', 'x');
  const first = runSync(openFileStorage(plain, { writable: true }));
  const second = runSync(openFileStorage(join(directory, 'plain'), { writable: true }));
  first.closeSync();
  second.closeSync();
});
