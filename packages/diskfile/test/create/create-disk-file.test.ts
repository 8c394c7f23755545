import fs from 'node:fs';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { rawDriver } from '@diskfile/raw';
import {
  createDiskFile,
  type CreateDiskFileOptions,
  createDiskFileSync,
  DiskError,
  type FormatDriver,
  openDiskFileSync,
} from '../../src/index.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'diskfile-')));
afterAll(() => rmSync(root, { recursive: true, force: true }));
// Files of tests share what they put something in the place of.
afterEach(() => void vi.restoreAllMocks());
const path = join(root, 'new.img');

beforeEach(() => {
  for (const name of fs.readdirSync(root)) rmSync(join(root, name), { recursive: true });
});

type Create = (path: string | URL, options: CreateDiskFileOptions) => Promise<void>;
const ways: [string, Create][] = [
  ['createDiskFile', createDiskFile],
  ['createDiskFileSync', async (...args) => createDiskFileSync(...args)],
];

/** Writes down what it was asked to create; its images are text. */
const notes: FormatDriver = {
  id: 'notes',
  aliases: [],
  abilities: { write: true, backing: 'none', compressed: 'none' },
  probe: ({ head }) => (Buffer.from(head).toString().startsWith('note ') ? 'yes' : 'no'),
  *open(context) {
    return Object.assign(yield* rawDriver.open(context), { format: 'notes' });
  },
  *create({ storage, sizeBytes, options, backing, createNamed }) {
    storage.writeSync(Buffer.from(`note ${JSON.stringify({ sizeBytes, options, backing })}`), 0);
    if (options['data_file'] !== undefined) {
      const filename = String(options['data_file']);
      const data = yield* createNamed({
        role: 'data-file',
        filename,
        offset: 0,
        lengthBytes: undefined,
      });
      data.writeSync(Buffer.from('data'), 0);
      data.closeSync();
    }
    if (options['fail'] !== undefined) throw new DiskError('no-space', 'test.full', 'full');
  },
};
const formats = [notes, rawDriver];

function noted(at = path): Record<string, unknown> {
  const text = fs.readFileSync(at, 'utf8');
  return JSON.parse(text.slice('note '.length)) as Record<string, unknown>;
}

describe.each(ways)('%s', (_name, create) => {
  it('makes an image that opens, of whole sectors, and leaves nothing beside it', async () => {
    await create(path, { format: 'raw', sizeBytes: 1000 });
    using disk = openDiskFileSync(path);
    expect(disk).toMatchObject({ format: 'raw', sizeBytes: 1024 });
    expect(fs.readdirSync(root)).toEqual(['new.img']);
  });

  it('refuses a name that is taken, and leaves what is there', async () => {
    fs.writeFileSync(path, 'precious');
    await expect(create(path, { format: 'raw', sizeBytes: 512 })).rejects.toMatchObject({
      code: 'invalid-argument',
      detail: 'storage.exists',
      hint: 'Choose another name, or give overwrite: true.',
    });
    fs.rmSync(path);
    fs.symlinkSync(join(root, 'nowhere'), path);
    await expect(create(path, { format: 'raw', sizeBytes: 512 })).rejects.toMatchObject({
      detail: 'storage.exists',
    });
    expect(fs.readdirSync(root)).toEqual(['new.img']);
  });

  it('replaces a file when told to: the one behind a link, its mode kept', async () => {
    const real = join(root, 'real.img');
    fs.writeFileSync(real, 'x'.repeat(5000));
    fs.chmodSync(real, 0o640);
    fs.symlinkSync(real, path);
    await create(path, { format: 'raw', sizeBytes: 512, overwrite: true });
    expect(fs.lstatSync(path).isSymbolicLink()).toBe(true);
    expect(fs.statSync(real)).toMatchObject({ size: 512, mode: 0o100640 });
    expect(fs.readdirSync(root)).toEqual(['new.img', 'real.img']);
  });

  it('lets nobody read it early who could not read what it replaces', async () => {
    fs.writeFileSync(path, 'precious');
    fs.chmodSync(path, 0o600);
    const modes: number[] = [];
    const watched: FormatDriver = {
      ...notes,
      *create(context) {
        for (const name of fs.readdirSync(root)) modes.push(fs.statSync(join(root, name)).mode);
        yield* notes.create!(context);
      },
    };
    await create(path, { format: 'notes', sizeBytes: 512, formats: [watched], overwrite: true });
    expect(modes).toEqual([0o100600, 0o100600]);
    expect(fs.statSync(path).mode).toBe(0o100600);
  });

  it('is made in the directory that the host finds, links and dots included', async () => {
    fs.mkdirSync(join(root, 'far', 'real'), { recursive: true });
    fs.symlinkSync(join(root, 'far', 'real'), join(root, 'link'));
    let beside: string[] = [];
    const watched: FormatDriver = {
      ...notes,
      *create(context) {
        beside = fs.readdirSync(join(root, 'far'));
        yield* notes.create!(context);
      },
    };
    const roundabout = `${root}/link/../new.img`;
    await create(roundabout, { format: 'notes', sizeBytes: 512, formats: [watched] });
    expect(beside).toHaveLength(2);
    expect(fs.readdirSync(join(root, 'far'))).toEqual(['new.img', 'real']);
    expect(fs.readdirSync(root)).toEqual(['far', 'link']);
  });

  it.each([
    ['too long', 'x'.repeat(300), 'storage.name-too-long'],
    ['not possible', 'a\0b', 'storage.name'],
    ['below a file', 'file/new.img', 'storage.not-found'],
  ])('refuses a name that is %s', async (_why, name, detail) => {
    fs.writeFileSync(join(root, 'file'), '');
    const creating = create(`${root}/${name}`, { format: 'raw', sizeBytes: 512 });
    await expect(creating).rejects.toThrowError(DiskError);
    await expect(creating).rejects.toMatchObject({ detail, context: { op: 'create' } });
    expect(fs.readdirSync(root)).toEqual(['file']);
  });

  it.each(['raw', 'qcow2', 'vhdx', 'vmdk'])('takes no passphrase for plain %s', async (format) => {
    const creating = create(path, { format, sizeBytes: 2 ** 20, passphrase: 'secret' });
    await expect(creating).rejects.toMatchObject({
      code: 'invalid-argument',
      detail: 'create.passphrase-unused',
    });
    expect(fs.readdirSync(root)).toEqual([]);
  });

  it.each([
    ['qcow2', { encryption: 'off' }],
    ['qcow', { encryption: 'no' }],
  ])('takes no passphrase for %s whose encryption is off', async (format, options) => {
    const creating = create(path, { format, sizeBytes: 2 ** 20, options, passphrase: 'secret' });
    await expect(creating).rejects.toMatchObject({
      detail: 'create.passphrase-unused',
      hint: expect.stringContaining('encrypt.format'),
    });
    expect(fs.readdirSync(root)).toEqual([]);
  });

  it.each([
    ['qcow2', { encryption: true }],
    ['qcow2', { 'encrypt.format': 'aes' }],
    ['qcow', { encryption: 'yes' }],
    ['luks', { 'iter-time': 1 }],
  ])('takes a passphrase for %s with %j', async (format, options) => {
    await create(path, { format, sizeBytes: 2 ** 20, options, passphrase: 'secret' });
    expect(fs.readdirSync(root)).toEqual([basename(path)]);
  });

  it('is made at a file: URL, and at nothing that is no path', async () => {
    await create(pathToFileURL(path), { format: 'raw', sizeBytes: 512 });
    expect(fs.statSync(path).size).toBe(512);
    for (const target of [new URL('https://host/disk.raw'), 7 as unknown as string]) {
      await expect(create(target, { format: 'raw', sizeBytes: 512 })).rejects.toMatchObject({
        code: 'invalid-argument',
        detail: 'create.target',
      });
    }
    expect(fs.readdirSync(root)).toEqual([basename(path)]);
  });

  it('does not replace an image that is open', async () => {
    fs.writeFileSync(path, 'x'.repeat(512));
    using disk = openDiskFileSync(path);
    await expect(create(path, { format: 'raw', sizeBytes: 0, overwrite: true }))
      .rejects //
      .toMatchObject({ code: 'busy', detail: 'storage.locked' });
    expect(disk.sizeBytes).toBe(512);
    expect(fs.statSync(path).size).toBe(512);
  });

  it.each([true, false])(
    'leaves nothing new when it fails (overwriting: %s)',
    async (overwrite) => {
      if (overwrite) fs.writeFileSync(path, 'precious');
      const before = fs.readdirSync(root);
      const options = { fail: true, data_file: 'data.raw' };
      await expect(
        create(path, { format: 'notes', sizeBytes: 512, formats, overwrite, options }),
      ).rejects.toMatchObject({ code: 'no-space', context: { op: 'create', path } });
      expect(fs.readdirSync(root)).toEqual(before);
      if (overwrite) expect(fs.readFileSync(path, 'utf8')).toBe('precious');
    },
  );

  it('creates the further files that an image names, beside it', async () => {
    const options = { data_file: 'data.raw' };
    await create(path, { format: 'notes', sizeBytes: 512, formats, options });
    expect(fs.readdirSync(root)).toEqual(['data.raw', 'new.img']);
    expect(fs.readFileSync(join(root, 'data.raw'), 'utf8')).toBe('data');
    expect(noted()['options']).toEqual(options);
  });

  it.each([false, true])(
    'refuses to make one file twice, and changes nothing (overwriting: %s)',
    async (overwrite) => {
      const other = join(root, 'other.img');
      if (overwrite) fs.writeFileSync(path, 'precious');
      const before = fs.readdirSync(root);
      const common = { format: 'notes', sizeBytes: 512, formats, overwrite };
      const refused = { code: 'invalid-argument', detail: 'create.names-itself' };
      const backing = { name: './new.img', format: 'raw' };
      await expect(create(path, { ...common, backing })).rejects.toMatchObject(refused);
      const options = { data_file: path };
      await expect(create(path, { ...common, options })).rejects.toMatchObject(refused);
      expect(fs.readdirSync(root)).toEqual(before);
      if (overwrite) expect(fs.readFileSync(path, 'utf8')).toBe('precious');
      const elsewhere = { name: 'nbd://new.img', format: 'raw' };
      await create(other, { ...common, backing: elsewhere });
      expect(noted(other)['backing']).toEqual(elsewhere);
    },
  );

  it('replaces no file of an image when another one cannot be made durable', async () => {
    const options = { format: 'notes', sizeBytes: 512, options: { data_file: 'further' }, formats };
    const further = join(root, 'further');
    fs.writeFileSync(path, 'old image');
    fs.writeFileSync(further, 'old data');
    const failure = Object.assign(new Error('EIO'), { code: 'EIO' });
    let calls = 0;
    const fail = () => {
      calls += 1;
      if (calls === 2) throw failure;
    };
    vi.spyOn(fs, 'fsyncSync').mockImplementation(fail);
    const handle = await fs.promises.open(further);
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    await handle.close();
    vi.spyOn(prototype, 'sync').mockImplementation(async () => fail());
    await expect(create(path, { ...options, overwrite: true })).rejects.toMatchObject({
      code: 'io',
    });
    expect(fs.readFileSync(path, 'utf8')).toBe('old image');
    expect(fs.readFileSync(further, 'utf8')).toBe('old data');
    expect(fs.readdirSync(root).toSorted()).toEqual(['further', 'new.img']);
  });

  it('does not replace its own backing image through a symbolic link', async () => {
    const link = join(root, 'link.img');
    fs.writeFileSync(path, 'precious');
    fs.symlinkSync('new.img', link);
    fs.symlinkSync('.', join(root, 'here'));
    const common = { format: 'notes', sizeBytes: 512, formats, overwrite: true };
    const pairs = [
      [link, 'new.img'],
      [path, 'link.img'],
      [path, 'here/new.img'],
    ] as const;
    for (const [target, name] of pairs) {
      await expect(
        create(target, { ...common, backing: { name, format: 'raw' } }),
      ).rejects.toMatchObject({ code: 'invalid-argument', detail: 'create.names-itself' });
      expect(fs.readFileSync(path, 'utf8')).toBe('precious');
    }
    // A second name of the same content is a file of its own.
    fs.linkSync(path, join(root, 'base.img'));
    await create(path, { ...common, backing: { name: 'base.img', format: 'raw' } });
    expect(fs.readFileSync(join(root, 'base.img'), 'utf8')).toBe('precious');
  });

  it('takes size and format from the backing image where they are left out', async () => {
    fs.writeFileSync(join(root, 'base.raw'), 'x'.repeat(3000));
    const backing = { name: 'base.raw' };
    await create(path, { format: 'notes', backing, formats });
    expect(noted()).toMatchObject({
      sizeBytes: 3072,
      backing: { name: 'base.raw', format: 'raw' },
    });
    // Under a format that is stated, the new image counts as no note.
    const second = join(root, 'second.img');
    const stated = { name: 'new.img', format: 'raw' };
    await create(second, { format: 'notes', sizeBytes: 100, backing: stated, formats });
    expect(noted(second)).toMatchObject({ sizeBytes: 512, backing: stated });
    await create(second, {
      format: 'notes',
      backing: { name: 'new.img' },
      formats,
      overwrite: true,
    });
    expect(noted(second)).toMatchObject({ backing: { name: 'new.img', format: 'notes' } });
  });

  it('looks into backing images only through the gate', async () => {
    const options = { format: 'notes', backing: { name: '/etc/passwd' }, formats };
    await expect(create(path, options)).rejects.toMatchObject({ code: 'denied' });
    await create(path, { ...options, gate: { allow: ['/etc'] } });
    expect(noted()).toMatchObject({ backing: { name: '/etc/passwd', format: 'raw' } });
    const missing = { ...options, backing: { name: 'missing' }, overwrite: true };
    await expect(create(path, missing)).rejects.toMatchObject({ code: 'not-found' });
    expect(fs.readdirSync(root)).toEqual(['new.img']);
  });

  it.each<[string, Partial<CreateDiskFileOptions>, string]>([
    ['no size', {}, 'create.no-size'],
    ['half bytes', { sizeBytes: 0.5 }, 'create.size'],
    ['a negative size', { sizeBytes: -1 }, 'create.size'],
    ['an inexact size', { sizeBytes: 2 ** 53 }, 'create.size'],
    ['a size that cannot be rounded', { sizeBytes: 2 ** 53 - 1 }, 'create.size'],
    ['a bigint', { sizeBytes: 512n as unknown as number }, 'create.size'],
    ['no format', { format: undefined as unknown as string, sizeBytes: 1 }, 'argument.format'],
    ['an unknown format', { format: 'vhs', sizeBytes: 1 }, 'create.unknown-format'],
    ['an unknown option', { sizeBytes: 1, options: { colour: 'red' } }, 'raw.option'],
    ['a backing file', { sizeBytes: 1, backing: { name: 'b', format: 'raw' } }, 'raw.no-backing'],
  ])('refuses %s', async (_what, options, detail) => {
    await expect(create(path, { format: 'raw', ...options })).rejects.toMatchObject({ detail });
    expect(fs.readdirSync(root)).toEqual([]);
  });

  it('speaks of the path that was given, not of what is made on the way', async () => {
    const missing = join(root, 'gone', 'new.img');
    await expect(create(missing, { format: 'raw', sizeBytes: 1 })).rejects.toMatchObject({
      code: 'not-found',
      message: `Cannot create ${missing}: there is no such directory`,
      context: { path: missing },
    });
  });

  it('refuses formats that are only read', async () => {
    const { create: _, ...onlyRead } = rawDriver;
    await expect(
      create(path, { format: 'raw', sizeBytes: 1, formats: [onlyRead, notes] }),
    ).rejects.toMatchObject({
      detail: 'create.read-only-format',
      hint: 'Formats that can be created: notes.',
    });
  });
});
