import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import {
  MemoryStorage,
  type NamedFile,
  runAsync,
  runSync,
  type WritableStorage,
} from '@diskfile/core';
import {
  type HostFiles,
  hostGate,
  type HostGateOptions,
  hostPathOf,
  nodeHostFiles,
} from '../src/index.ts';
import { bothFail, bothWays } from './support/drivers.ts';
import { asImage, HostRecord, named } from './support/gate.ts';
import { tempDirectory } from './support/temp.ts';

const root = tempDirectory();
/** Holds the images; what lies beside it is none of their business. */
const home = join(root, 'home');
const image = join(home, 'top.img');
const secret = join(root, 'secret');
let record: HostRecord;

beforeEach(() => {
  record = new HostRecord();
  fs.mkdirSync(join(home, 'sub'), { recursive: true });
  fs.mkdirSync(join(root, 'elsewhere'));
  fs.writeFileSync(image, 'top');
  fs.writeFileSync(join(home, 'base.img'), 'the base');
  fs.writeFileSync(join(home, 'sub/deep.img'), 'deep');
  fs.writeFileSync(join(root, 'elsewhere/base.img'), 'elsewhere');
  fs.writeFileSync(secret, 'secret');
  execFileSync('mkfifo', [join(home, 'fifo')]);
});

afterEach(() => {
  for (const name of fs.readdirSync(root)) fs.rmSync(join(root, name), { recursive: true });
});

/** Content of what the gate opens for the image, the same under both drivers. */
async function openedText(file: NamedFile, options?: HostGateOptions, by = image): Promise<string> {
  return await asImage(by, async (namedBy) => {
    const storages = await bothWays(() =>
      record.gate(options).open({ file, namedBy, writable: false }),
    );
    const texts = storages.map((storage) => {
      const bytes = new Uint8Array(storage.sizeBytes);
      storage.readSync(bytes, 0);
      storage.closeSync();
      return Buffer.from(bytes).toString();
    });
    expect(texts[1]).toBe(texts[0]);
    return texts[0]!;
  });
}

/** How the gate refuses a name, the same under both drivers. */
async function refusal(
  filename: string,
  options?: HostGateOptions,
  by = image,
): Promise<DiskError> {
  return await asImage(by, async (namedBy) => {
    const request = { file: named(filename), namedBy, writable: false };
    const errors = await bothFail(() => record.gate(options).open(request));
    expect(errors[0]).toBeInstanceOf(DiskError);
    expect(JSON.stringify(errors[1])).toBe(JSON.stringify(errors[0]));
    return errors[0] as DiskError;
  });
}

describe('by default the gate opens', () => {
  it.each([
    ['a relative name', 'base.img', 'the base'],
    ['a file in a directory below', 'sub/deep.img', 'deep'],
    ['an absolute name', join(home, 'base.img'), 'the base'],
    ['a name that leaves and comes back', '../home/./sub/../base.img', 'the base'],
  ])('%s in the directory of the image', async (_name, filename, text) => {
    expect(await openedText(named(filename))).toBe(text);
  });

  it('a symbolic link to a file in the directory', async () => {
    fs.symlinkSync('sub/deep.img', join(home, 'link'));
    expect(await openedText(named('link'))).toBe('deep');
    expect(new Set(record.opened)).toEqual(new Set([join(home, 'sub/deep.img')]));
  });

  it('files of an image whose own directory is reached by a symbolic link', async () => {
    fs.symlinkSync(home, join(root, 'way'));
    expect(await openedText(named('base.img'), {}, join(root, 'way/top.img'))).toBe('the base');
  });

  it('a window of a file', async () => {
    const file = named('base.img', { offset: 4, lengthBytes: 3 });
    expect(await openedText(file)).toBe('bas');
    expect(await openedText(named('base.img', { offset: 4 }))).toBe('base');
  });

  it('files that an opened file names in turn, from its own directory', async () => {
    await asImage(image, async (namedBy) => {
      const gate = record.gate();
      const deep = { file: named('sub/deep.img'), namedBy, writable: false };
      for (const middle of await bothWays(() => gate.open(deep))) {
        expect(middle.name).toBe(join(home, 'sub/deep.img'));
        const self = { file: named('deep.img'), namedBy: middle, writable: false };
        for (const storage of await bothWays(() => gate.open(self))) {
          expect(storage.identity).toBe(middle.identity);
          storage.closeSync();
        }
        // The directory above was allowed to the image there, not to this one.
        const above = { file: named('../base.img'), namedBy: middle, writable: false };
        for (const error of await bothFail(() => gate.open(above))) {
          expect(error).toMatchObject({ code: 'denied' });
        }
        middle.closeSync();
      }
    });
  });
});

describe('by default the gate refuses, without looking at it,', () => {
  it.each([
    ['a file above', '../secret'],
    ['an absolute name elsewhere', '/etc/passwd'],
    ['a device', '/dev/zero'],
    ['a file of the process', '/proc/self/environ'],
    ['a sibling whose name begins alike', '../home-too/base.img'],
    ['the directory above', '..'],
    ['a way out through a directory below', 'sub/../../secret'],
  ])('%s', async (_name, filename) => {
    const error = await refusal(filename);
    expect(error).toMatchObject({ code: 'denied', detail: 'gate.outside' });
    expect(new Set(record.asked)).toEqual(new Set([`realpath ${image}`]));
  });

  it('and says how to allow it', async () => {
    const error = await refusal('../elsewhere/base.img');
    const directory = JSON.stringify(join(root, 'elsewhere'));
    expect(error.hint).toContain(`--allow-backing ${directory}`);
    expect(error.hint).toContain(`gate: { allow: [${directory}] }`);
    expect(error.context.path).toBe(image);
    expect(error.message).toContain('"../elsewhere/base.img"');
  });
});

describe('by default the gate refuses, without opening it,', () => {
  it('a symbolic link that leads out', async () => {
    fs.symlinkSync(secret, join(home, 'link'));
    const error = await refusal('link');
    expect(error).toMatchObject({ code: 'denied', detail: 'gate.outside' });
    // To allow the directory that the link is in would not help.
    expect(error.hint).not.toContain(home);
    expect(error.hint).toContain('the directory that it is truly in');
    expect(error.message).not.toContain(secret);
    expect(record.opened).toEqual([]);
  });

  it('a directory that leads out', async () => {
    fs.symlinkSync(join(root, 'elsewhere'), join(home, 'door'));
    expect(await refusal('door/base.img')).toMatchObject({ code: 'denied' });
    expect(record.opened).toEqual([]);
  });

  it.each(['fifo', 'sub', '.', 'device'])('what is no regular file: %s', async (name) => {
    fs.symlinkSync('fifo', join(home, 'device'));
    expect(await refusal(name)).toMatchObject({ detail: 'storage.not-a-file' });
    expect(record.opened).toEqual([]);
  });

  it('a file beside a symbolic link to the image', async () => {
    fs.symlinkSync(image, join(root, 'elsewhere/link.img'));
    const link = join(root, 'elsewhere/link.img');
    // From the link's directory, as QEMU looks it up, but that is not the image's directory.
    expect(await refusal('base.img', {}, link)).toMatchObject({ code: 'denied' });
    expect(record.opened).toEqual([]);
    const allow = [join(root, 'elsewhere')];
    expect(await openedText(named('base.img'), { allow }, link)).toBe('elsewhere');
  });
});

describe('a file that is missing', () => {
  it('is reported as missing in the directory of the image', async () => {
    const error = await refusal('gone.img');
    expect(error).toMatchObject({ code: 'not-found', detail: 'gate.not-found', errno: 'ENOENT' });
    expect(error.message).toContain('"gone.img"');
    expect((await refusal('no/such/directory/gone.img')).code).toBe('not-found');
    expect((await refusal('base.img/below')).code).toBe('not-found');
  });

  it('elsewhere is refused in the same words as one that is there', async () => {
    fs.symlinkSync(join(root, 'elsewhere'), join(home, 'door'));
    for (const [there, gone] of [
      ['../secret', '../secreu'],
      ['door/base.img', 'door/bass.img'],
    ] as const) {
      const [existing, missing] = [await refusal(there), await refusal(gone)];
      const reworded = JSON.stringify(missing).replaceAll(gone, there);
      expect(reworded).toBe(JSON.stringify(existing));
    }
  });
});

describe('widened, the gate opens', () => {
  it('files below allowed directories, however those are named', async () => {
    fs.symlinkSync(join(root, 'elsewhere'), join(root, 'alias'));
    for (const directory of ['elsewhere', 'alias', 'home/../elsewhere/']) {
      const allow = [join(root, 'missing'), `${root}/${directory}`];
      expect(await openedText(named('../elsewhere/base.img'), { allow })).toBe('elsewhere');
    }
  });

  it('nothing beside allowed directories', async () => {
    const allow = [join(root, 'elsewhere')];
    expect(await refusal('../secret', { allow })).toMatchObject({ code: 'denied' });
    expect(record.opened).toEqual([]);
  });

  it('any regular file, if any is allowed', async () => {
    expect(await openedText(named('../secret'), { allow: 'any' })).toBe('secret');
    expect(await openedText(named(secret), { allow: 'any' })).toBe('secret');
  });

  it('but never a FIFO, a character device or a directory', async () => {
    for (const filename of ['fifo', '/dev/tty', 'sub']) {
      const error = await refusal(filename, { allow: 'any' });
      expect(error.detail).toBe('storage.not-a-file');
    }
    expect((await refusal('gone', { allow: 'any' })).code).toBe('not-found');
    expect(record.opened).toEqual([]);
  });

  it.runIf(process.platform === 'linux')(
    'a device that holds nothing with `any` only',
    async () => {
      expect(await openedText(named('/dev/null'), { allow: 'any' })).toBe('');
      expect((await refusal('/dev/null', {})).code).toBe('denied');
      expect((await refusal('/dev/null', { allow: ['/dev'] })).detail).toBe('storage.not-a-file');
    },
  );
});

describe('an image that is no host file', () => {
  const memory = new MemoryStorage(new Uint8Array(3));

  it('has no directory to look in', async () => {
    const request = { file: named('base.img'), namedBy: memory, writable: false };
    for (const options of [{}, { allow: 'any' }] as const) {
      for (const error of await bothFail(() => record.gate(options).open(request))) {
        expect(error).toMatchObject({ code: 'denied', detail: 'gate.no-directory' });
      }
    }
    expect(record.asked).toEqual([]);
  });

  it('may name absolute paths below allowed directories', async () => {
    const request = { file: named(join(home, 'base.img')), namedBy: memory, writable: false };
    for (const storage of await bothWays(() => record.gate({ allow: [home] }).open(request))) {
      expect(hostPathOf(storage)).toBe(join(home, 'base.img'));
      storage.closeSync();
    }
    for (const error of await bothFail(() => record.gate().open(request))) {
      expect(error).toMatchObject({ code: 'denied' });
    }
  });
});

it('closes the file when its window does not fit', async () => {
  await asImage(image, async (namedBy) => {
    const file = named('base.img', { offset: 1_000_000 });
    for (const error of await bothFail(() =>
      record.gate().open({ file, namedBy, writable: false }),
    )) {
      expect(error).toMatchObject({ code: 'out-of-range' });
    }
    expect(record.fds).toHaveLength(2);
    for (const fd of record.fds) expect(() => fs.fstatSync(fd)).toThrowError(/EBADF/);
  });
});

describe('a directory that becomes a link meanwhile', () => {
  it.runIf(process.platform === 'linux')('leads nowhere', async () => {
    const swap = () => {
      fs.renameSync(join(home, 'sub'), join(home, 'moved'));
      fs.symlinkSync(join(root, 'elsewhere'), join(home, 'sub'));
    };
    fs.writeFileSync(join(home, 'sub/base.img'), 'within');
    for (const drive of [runSync, runAsync]) {
      const fds: number[] = [];
      const files: HostFiles = {
        ...nodeHostFiles,
        *status(path) {
          if (path.endsWith('/sub/base.img')) swap();
          return yield* nodeHostFiles.status(path);
        },
        *open(path, options) {
          const opened = yield* nodeHostFiles.open(path, options);
          fds.push(opened.fd);
          return opened;
        },
      };
      await asImage(image, async (namedBy) => {
        const request = { file: named('sub/base.img'), namedBy, writable: false };
        const opening = async () => await drive(hostGate({}, { files }).open(request));
        await expect(opening()).rejects.toMatchObject({ code: 'denied', detail: 'gate.outside' });
      });
      expect(fds).toHaveLength(1);
      expect(() => fs.fstatSync(fds[0]!)).toThrowError('EBADF');
      fs.rmSync(join(home, 'sub'));
      fs.renameSync(join(home, 'moved'), join(home, 'sub'));
    }
  });
});

describe('a file to write', () => {
  const locking = { forceShare: false, warn: () => {} };

  it('is opened for writing under the same rules', async () => {
    fs.writeFileSync(join(home, 'data.raw'), 'data');
    fs.writeFileSync(join(root, 'outside.raw'), 'outside');
    await asImage(image, async (namedBy) => {
      const gate = hostGate({}, { locking });
      const request = { file: named('data.raw'), namedBy, writable: true };
      for (const drive of [runSync, runAsync]) {
        const storage = (await drive(gate.open(request))) as WritableStorage;
        storage.writeSync(Buffer.from('D'), 0);
        // Nobody else may write it meanwhile.
        expect(() => runSync(gate.open(request))).toThrowError(
          /is using .* already|is writing .* already/,
        );
        storage.closeSync();
      }
      expect(fs.readFileSync(join(home, 'data.raw'), 'utf8')).toBe('Data');
      const outside = { ...request, file: named('../outside.raw') };
      for (const error of await bothFail(() => gate.open(outside))) {
        expect(error).toMatchObject({ code: 'denied' });
      }
      const missing = { ...request, file: named('missing.raw') };
      for (const error of await bothFail(() => gate.open(missing))) {
        expect(error).toMatchObject({ code: 'not-found' });
      }
      expect(fs.existsSync(join(home, 'missing.raw'))).toBe(false);
    });
  });

  it('is never a mere part of a file', async () => {
    fs.writeFileSync(join(home, 'data.raw'), 'data');
    await asImage(image, async (namedBy) => {
      const request = { file: named('data.raw', { offset: 1 }), namedBy, writable: true };
      for (const error of await bothFail(() => hostGate().open(request))) {
        expect(error).toMatchObject({ code: 'unsupported', detail: 'gate.window-read-only' });
      }
    });
  });
});
