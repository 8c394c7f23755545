import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { runSync } from '@diskfile/core';
import { type HostFiles, nodeHostFiles, openFileStorage } from '../src/index.ts';
import { hostError } from '../src/host-error.ts';
import { bothFail } from './support/drivers.ts';
import { tempDirectory, writeTemp } from './support/temp.ts';

const directory = tempDirectory();

/** Files as the host has them, except that opening is recorded. */
function recordingFiles(opened: string[]): HostFiles {
  return {
    ...nodeHostFiles,
    open: (path, options) => {
      opened.push(path);
      return nodeHostFiles.open(path, options);
    },
  };
}

describe('what cannot be a disk', () => {
  async function expectRefusedUnopened(path: string, kind: string): Promise<void> {
    const opened: string[] = [];
    const files = recordingFiles(opened);
    for (const error of await bothFail(() => openFileStorage(path, { files }))) {
      expect(error).toBeInstanceOf(DiskError);
      expect(error).toMatchObject({
        code: 'invalid-argument',
        detail: 'storage.not-a-file',
        message: `${path} is a ${kind}, which cannot be a disk image`,
      });
    }
    expect(opened).toEqual([]);
  }

  it('is a directory', () => expectRefusedUnopened(directory, 'directory'));

  it('is a character device', () => expectRefusedUnopened('/dev/null', 'character device'));

  it.runIf(process.platform === 'linux')('is no device that holds nothing, where asked', () => {
    const options = { emptyDevices: true, writable: true } as const;
    const storage = runSync(openFileStorage('/dev/null', options));
    expect(storage.sizeBytes).toBe(0);
    storage.flushSync();
    storage.closeSync();
    expect(() => runSync(openFileStorage('/dev/tty', options))).toThrow('a character device');
  });

  it('is a FIFO, which would wait for its writer', async () => {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    await expectRefusedUnopened(fifo, 'FIFO');
  });

  it('is a FIFO that takes the place of a file at the last moment', async () => {
    const fifo = join(directory, 'late-fifo');
    execFileSync('mkfifo', [fifo]);
    const files: HostFiles = {
      ...nodeHostFiles,
      *status(path) {
        return { ...(yield* nodeHostFiles.status(path)), kind: 'regular file' };
      },
    };
    // Opening it in the ordinary way would hang here.
    for (const error of await bothFail(() => openFileStorage(fifo, { files }))) {
      expect(error).toMatchObject({ code: 'busy', detail: 'storage.replaced' });
    }
  });

  it('is a socket', async () => {
    const path = join(directory, 'socket');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      await expectRefusedUnopened(path, 'socket');
    } finally {
      server.close();
    }
  });
});

describe('failures to open', () => {
  it.each([
    ['nothing', 'not-found', 'ENOENT'],
    ['plain/below', 'not-found', 'ENOTDIR'],
    ['loop', 'invalid-argument', 'ELOOP'],
    ['x'.repeat(5000), 'invalid-argument', 'ENAMETOOLONG'],
    ['nul\0byte', 'invalid-argument', 'EINVAL'],
  ])('%.20s: %s', async (name, code, errno) => {
    writeTemp(directory, 'plain', 'x');
    fs.rmSync(join(directory, 'loop'), { force: true });
    fs.symlinkSync('loop', join(directory, 'loop'));
    const path = `${directory}/${name}`;
    for (const error of await bothFail(() => openFileStorage(path))) {
      expect(error).toBeInstanceOf(DiskError);
      expect(error).toMatchObject({ code, errno, context: { op: 'open', path } });
    }
  });

  // The tests may run as root, whom no permission stops, so these come from made-up failures.
  it.each([
    ['EACCES', 'denied', 'storage.permission'],
    ['EPERM', 'denied', 'storage.permission'],
    ['EMFILE', 'limit', 'storage.too-many-open-files'],
    ['EBUSY', 'busy', 'storage.busy'],
    ['EIO', 'io', 'storage.host'],
  ])('%s: %s', (errno, code, detail) => {
    const cause = Object.assign(new Error('host says no'), { code: errno });
    const error = hostError(cause, 'read', '/img', 4096);
    expect(error).toMatchObject({ code, errno, detail, cause });
    expect(error.context).toEqual({ op: 'read', path: '/img', layer: 'storage', offset: 4096 });
  });

  it('finds out when another file takes the place of the one it looked at', async () => {
    const looked = writeTemp(directory, 'looked-at', 'a');
    const other = writeTemp(directory, 'other', 'b');
    const fds: number[] = [];
    const files: HostFiles = {
      ...nodeHostFiles,
      *open(_path, options) {
        const opened = yield* nodeHostFiles.open(other, options);
        fds.push(opened.fd);
        return opened;
      },
    };
    for (const error of await bothFail(() => openFileStorage(looked, { files }))) {
      expect(error).toMatchObject({ code: 'busy', detail: 'storage.replaced' });
    }
    expect(fds).toHaveLength(2);
    for (const fd of fds) expect(() => fs.fstatSync(fd)).toThrowError(/EBADF/);
  });

  it('follows a symbolic link unless told not to', async () => {
    const target = writeTemp(directory, 'target', 'abc');
    const link = join(directory, 'link');
    fs.symlinkSync(target, link);
    const storage = runSync(openFileStorage(link));
    expect(storage.sizeBytes).toBe(3);
    storage.closeSync();
    for (const error of await bothFail(() => openFileStorage(link, { followSymlink: false }))) {
      expect(error).toBeInstanceOf(DiskError);
    }
  });
});
