import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DiskError } from '@diskfile/bytes';
import { MemoryStorage, runSync } from '@diskfile/core';
import { hostGate, type HostFiles, nodeHostFiles, openFileStorage } from '@diskfile/storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDiskFile, openDiskFileSync } from '../src/index.ts';
import { minimalQcow2 } from './support/minimal-qcow2.ts';

let root: string;
let images: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'diskfile-untrusted-'));
  images = join(root, 'images');
  mkdirSync(join(images, 'sub'), { recursive: true });
  writeFileSync(join(root, 'secret'), 'secret'.repeat(1000));
  writeFileSync(join(images, 'base.raw'), Buffer.alloc(4096, 7));
  writeFileSync(join(images, 'sub', 'deep.raw'), Buffer.alloc(4096, 8));
  symlinkSync('../secret', join(images, 'innocent.raw'));
  symlinkSync('..', join(images, 'up'));
  execFileSync('mkfifo', [join(images, 'pipe')]);
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The host's files, with a list of what was opened. */
function recordingFiles(): { files: HostFiles; opened: string[] } {
  const opened: string[] = [];
  const files: HostFiles = {
    ...nodeHostFiles,
    open(path, options) {
      opened.push(path);
      return nodeHostFiles.open(path, options);
    },
  };
  return { files, opened };
}

function write(name: string, bytes: Uint8Array): string {
  const path = join(images, name);
  writeFileSync(path, bytes);
  return path;
}

const FOREIGN = [
  '/etc/passwd',
  '../secret',
  'sub/../../secret',
  './../images/../secret',
  'innocent.raw',
  'up/secret',
  'file:/etc/passwd',
  'file:../secret',
  'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}',
  'json:{"driver":"host_device","filename":"/dev/null"}',
  '/dev/null',
  '/dev/sda',
  '/proc/self/mem',
  'pipe',
  'sub',
  '.',
  'https://example.org/base.qcow2',
  'nbd://127.0.0.1/export',
  'ssh://host/etc/passwd',
  'fat:/etc',
  'attacker.qcow2',
  'name\nwith\u001b[2Jcontrol',
  'x'.repeat(900),
];

describe('what an image names', () => {
  it.each(FOREIGN)('%j as backing file is refused, and nothing is opened', async (name) => {
    const path = write('attacker.qcow2', minimalQcow2({ backing: name, backingFormat: 'raw' }));
    await refused(path);
  });

  it.each(FOREIGN)('%j as data file is refused, and nothing is opened', async (name) => {
    const path = write('attacker.qcow2', minimalQcow2({ dataFile: name }));
    await refused(path);
  });

  async function refused(path: string): Promise<void> {
    for (const open of [
      openDiskFile,
      async (...args: Parameters<typeof openDiskFile>) => openDiskFileSync(...args),
    ]) {
      const { files, opened } = recordingFiles();
      const before = openDescriptors();
      const failure: unknown = await open(path, { gate: hostGate({}, { files }) }).then(
        () => 'opened',
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(DiskError);
      expect((failure as DiskError).describe()).not.toMatch(/[\u0000-\u001f]/);
      // The image itself may be opened again to find out that it is the image itself.
      expect(opened.filter((file) => file !== path)).toEqual([]);
      expect(openDescriptors()).toBe(before);
    }
  }

  it('is opened when it lies in the directory of the image', async () => {
    for (const [name, byte] of [
      ['base.raw', 7],
      ['./sub/deep.raw', 8],
      ['file:base.raw', 7],
      [join(images, 'base.raw'), 7],
    ] as const) {
      const path = write('honest.qcow2', minimalQcow2({ backing: name, backingFormat: 'raw' }));
      await using disk = await openDiskFile(path);
      const bytes = new Uint8Array(4097);
      await disk.read(bytes, 0);
      expect([bytes[0], bytes[4095], bytes[4096]]).toEqual([byte, byte, 0]);
    }
  });

  it('is opened elsewhere once that is allowed', async () => {
    const path = write('wide.qcow2', minimalQcow2({ backing: '../secret', backingFormat: 'raw' }));
    for (const gate of [
      { allow: [root] },
      { allow: 'any' as const },
      hostGate({ allow: [root] }),
    ]) {
      await using disk = await openDiskFile(path, { gate });
      const bytes = new Uint8Array(6);
      await disk.read(bytes, 0);
      expect(new TextDecoder().decode(bytes)).toBe('secret');
    }
    await expect(
      openDiskFile(path, { gate: { allow: [join(root, 'else')] } }),
    ).rejects.toMatchObject({
      code: 'denied',
    });
  });

  it('is refused as a device or pipe even when any file is allowed', async () => {
    const path = write('pipe.qcow2', minimalQcow2({ backing: 'pipe', backingFormat: 'raw' }));
    await expect(openDiskFile(path, { gate: { allow: 'any' } })).rejects.toBeInstanceOf(DiskError);
    await expect(openDiskFile(join(images, 'pipe'))).rejects.toMatchObject({
      detail: 'storage.not-a-file',
    });
  });
});

describe('formats', () => {
  it('stay raw when raw is stated, whatever the first sector says', async () => {
    const header = minimalQcow2({ backing: '/etc/passwd', backingFormat: 'raw' });
    const path = write('raw-looks-like.qcow2', header);
    await using disk = await openDiskFile(path, { format: 'raw' });
    expect([disk.format, disk.sizeBytes]).toEqual(['raw', header.length]);
    const bytes = new Uint8Array(header.length);
    await disk.read(bytes, 0);
    expect(Buffer.compare(bytes, header)).toBe(0);
  });

  it('stay raw in a backing file whose format the image states as raw', async () => {
    write('inner.img', minimalQcow2({ backing: '/etc/passwd' }));
    const path = write('outer.qcow2', minimalQcow2({ backing: 'inner.img', backingFormat: 'raw' }));
    await using disk = await openDiskFile(path);
    expect(disk.info().map(({ format }) => format)).toEqual(['qcow2', 'raw']);
    const magic = new Uint8Array(4);
    await disk.read(magic, 0);
    expect([...magic]).toEqual([0x51, 0x46, 0x49, 0xfb]);
  });

  it.each([
    ['asif', 'shdw'],
    ['sparseimage', 'sprs'],
  ])('that are damaged (%s) are not taken for raw unless raw is stated', async (format, magic) => {
    const bytes = Buffer.alloc(4096);
    bytes.write(magic, 0, 'latin1');
    const path = write('foreign.img', bytes);
    const before = openDescriptors();
    await expect(openDiskFile(path)).rejects.toMatchObject({ detail: `${format}.version` });
    expect(openDescriptors()).toBe(before);
    await using disk = await openDiskFile(path, { format: 'raw' });
    expect(disk.format).toBe('raw');
  });

  it('and a storage whose bytes cannot be read is closed again', async () => {
    const storage = new UnreadableStorage(new Uint8Array(4096));
    await expect(openDiskFile(storage)).rejects.toMatchObject({ code: 'io' });
    expect(storage.closings).toBe(1);
  });

  it('and targets that are none are refused', async () => {
    await using disk = await openDiskFile(pathToFileURL(join(images, 'base.raw')));
    expect(disk.sizeBytes).toBe(4096);
    for (const target of [undefined, '', 5, Buffer.from('x'), new URL('https://example.org/x')]) {
      await expect(openDiskFile(target as unknown as string)).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    }
    const operations = [{ op: 'erase', guestOffset: 0, buffer: new Uint8Array(1) }];
    await expect(disk.submitBatch(operations as never)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    await expect(disk.read(new Uint8Array(1), 0n as never)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('are never guessed away from a damaged qcow2', async () => {
    const image = minimalQcow2({});
    image[20] = 0xff;
    await expect(openDiskFile(write('damaged.qcow2', image))).rejects.toMatchObject({
      context: { format: 'qcow2' },
    });
  });
});

describe('handles', () => {
  it('leak nothing, whether opening succeeds or fails half way', async () => {
    write('leaf.raw', new Uint8Array(512));
    const chain = ['leaf.raw', 'a.qcow2', 'b.qcow2', 'c.qcow2'];
    for (const [index, name] of chain.entries()) {
      if (index > 0) {
        const format = index === 1 ? 'raw' : 'qcow2';
        write(name, minimalQcow2({ backing: chain[index - 1]!, backingFormat: format }));
      }
    }
    write('d.qcow2', minimalQcow2({ backing: 'c.qcow2', dataFile: 'gone.raw' }));
    write('e.qcow2', minimalQcow2({ backing: 'd.qcow2' }));
    const before = openDescriptors();
    for (let round = 0; round < 20; round++) {
      const disk = await openDiskFile(join(images, 'c.qcow2'));
      const clone = disk.tryClone();
      expect(openDescriptors()).toBe(before + 4);
      await disk.close();
      await clone.close();
      await expect(openDiskFile(join(images, 'e.qcow2'))).rejects.toBeInstanceOf(DiskError);
      expect(() => openDiskFileSync(join(images, 'e.qcow2'))).toThrowError(DiskError);
      openDiskFileSync(join(images, 'c.qcow2')).closeSync();
    }
    expect(openDescriptors()).toBe(before);
  });

  it('belong to the disk once a storage is handed over', () => {
    const before = openDescriptors();
    const storage = runSync(openFileStorage(join(images, 'base.raw')));
    const disk = openDiskFileSync(storage);
    expect(disk.format).toBe('raw');
    disk.closeSync();
    expect(openDescriptors()).toBe(before);
  });
});

/** Files of ours that this process holds open; other handles come and go. */
function openDescriptors(): number {
  return readdirSync('/proc/self/fd').filter((fd) => targetOf(fd).startsWith(root)).length;
}

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // Closed since it was listed.
    return '';
  }
}

/** Can be probed, and fails from the third read on. */
class UnreadableStorage extends MemoryStorage {
  closings = 0;
  #reads = 0;

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    this.#reads += 1;
    if (this.#reads > 1) throw new DiskError('io', 'test.unreadable', 'Unreadable');
    await super.read(dst, offset);
  }

  override async close(): Promise<void> {
    this.closings += 1;
  }
}
