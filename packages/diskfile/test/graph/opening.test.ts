import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createDiskFileSync,
  DiskError,
  type DiskFile,
  openDiskFileSync,
  openGraph,
  openGraphFile,
  type OpenGraphOptions,
  openGraphSync,
  parseDiskName,
  parseKeyval,
  UserObjects,
} from '../../src/index.ts';

const work = mkdtempSync(join(tmpdir(), 'diskfile-graph-'));
afterAll(() => rmSync(work, { recursive: true }));
const path = (name: string): string => join(work, name);

const MIB = 1024 ** 2;
writeFileSync(path('flat.raw'), Buffer.alloc(MIB, 'flat'));
writeFileSync(path('other.raw'), Buffer.alloc(MIB, 'othr'));

function create(name: string, backing?: string): void {
  createDiskFileSync(path(name), {
    format: 'qcow2',
    sizeBytes: MIB,
    ...(backing === undefined ? {} : { backing: { name: backing, format: 'raw' } }),
  });
}

create('plain.qcow2');
create('over.qcow2', 'flat.raw');

function opened(graph: object, options?: OpenGraphOptions): DiskFile {
  return openGraphSync(parseDiskName(`json:${JSON.stringify(graph)}`), options);
}

function textAt(disk: DiskFile, offset = 0): string {
  using open = disk;
  const bytes = new Uint8Array(4);
  open.readSync(bytes, offset);
  return Buffer.from(bytes).toString('latin1');
}

function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof DiskError) return error.message;
    throw error;
  }
  return 'accepted';
}

const file = (name: string) => ({ driver: 'file', filename: path(name) });

describe('a block graph', () => {
  it('opens what a path, options and JSON name alike', async () => {
    const name = path('over.qcow2');
    expect(textAt(openGraphSync(parseDiskName(name)))).toBe('flat');
    expect(textAt(openGraphSync(parseKeyval(`driver=qcow2,file.filename=${name}`)))).toBe('flat');
    expect(textAt(opened({ driver: 'qcow2', file: file('over.qcow2') }))).toBe('flat');
    expect(textAt(await openGraph(parseDiskName(name)))).toBe('flat');
  });

  it('puts another image below, or none', () => {
    const over = { driver: 'qcow2', file: file('over.qcow2') };
    expect(textAt(opened({ ...over, backing: null }))).toBe('\0\0\0\0');
    const other = { driver: 'raw', file: file('other.raw') };
    expect(textAt(opened({ ...over, backing: other }))).toBe('othr');
    expect(textAt(opened({ ...over, 'backing.file.filename': path('other.raw') }))).toBe('othr');
    const plain = { driver: 'qcow2', file: file('plain.qcow2') };
    expect(textAt(opened({ ...plain, backing: other }))).toBe('othr');
    expect(textAt(opened({ ...plain, backing: { ...over, backing: other } }))).toBe('othr');
    expect(textAt(opened({ ...plain, backing: over }))).toBe('flat');
  });

  it('never shows what was put below and is hidden', () => {
    const other = { driver: 'raw', file: file('other.raw') };
    for (const format of ['qcow2', 'qed', 'qcow'] as const) {
      const name = `stacked.${format}`;
      createDiskFileSync(path(name), { format, sizeBytes: MIB });
      const graph = { driver: format, file: file(name), backing: other };
      using disk = opened(graph, { readOnly: false });
      disk.writeZeroesSync(4096, 4096);
      disk.writeSync(new Uint8Array(512).fill(65), 131072);
      expect(textAt(disk.tryClone(), 4096)).toBe('\0\0\0\0');
      expect(textAt(disk.tryClone(), 8192)).toBe('othr');
      expect(textAt(disk.tryClone(), 131584)).toBe('othr');
      if (format !== 'qcow2') continue;
      disk.discardSync(131072, 65536);
      expect(textAt(disk.tryClone(), 131584)).toBe('\0\0\0\0');
    }
  });

  it('is told of any node that nothing lies below it', () => {
    for (const none of [null, '']) {
      const graph = { driver: 'raw', file: { ...file('flat.raw'), backing: none }, backing: none };
      using disk = opened(graph);
      expect(disk.warnings.map(({ detail }) => detail)).toEqual(
        none === null ? [] : ['graph.empty-backing', 'graph.empty-backing'],
      );
    }
    const unsupported = "Driver doesn't support backing files";
    const flat = { driver: 'raw', file: file('flat.raw') };
    expect(refusal(() => opened({ ...flat, backing: 'x' }))).toBe(unsupported);
    expect(refusal(() => opened({ ...flat, backing: flat }))).toBe(unsupported);
    expect(refusal(() => opened({ ...flat, backing: flat }, { backing: false }))).toBe(
      "Block format 'raw' does not support the option 'backing.driver'",
    );
    createDiskFileSync(path('plain.vdi'), { format: 'vdi', sizeBytes: MIB });
    const vdi = { driver: 'vdi', file: file('plain.vdi') };
    expect(refusal(() => opened({ ...vdi, backing: flat }))).toBe(unsupported);
  });

  it('end with a file that ends within its last sector', () => {
    writeFileSync(path('unaligned.raw'), Buffer.alloc(1000, 'a'));
    const window = (given: object) => ({ driver: 'raw', ...given, file: file('unaligned.raw') });
    using all = opened(window({ size: 1024 }));
    const bytes = Buffer.alloc(all.sizeBytes);
    all.readSync(bytes, 0);
    expect(bytes.toString('latin1')).toBe(`${'a'.repeat(1000)}${'\0'.repeat(24)}`);
    using nothing = opened(window({ offset: 1024 }));
    expect(nothing.sizeBytes).toBe(0);
    expect(() => opened(window({ offset: 1025 }))).toThrow(/containing file \(1024\)$/);
    expect(() => opened(window({ offset: 512, size: 1024 }))).toThrow(/containing file \(1024\)$/);
  });

  it('cuts windows that can be written', () => {
    writeFileSync(path('window.raw'), Buffer.alloc(8192, 1));
    const graph = { driver: 'raw', offset: 1024, size: 2048, file: file('window.raw') };
    {
      using disk = opened(graph, { readOnly: false });
      expect(disk.sizeBytes).toBe(2048);
      disk.writeSync(new Uint8Array(512).fill(2), 1536);
      expect(refusal(() => disk.writeSync(new Uint8Array(512), 2048))).toMatch(/not within/);
      expect(refusal(() => disk.capabilities.resizing!.resizeSync(4096))).toMatch(/keeps it/);
    }
    const expected = Buffer.alloc(8192, 1).fill(2, 2560, 3072);
    expect(readFileSync(path('window.raw')).equals(expected)).toBe(true);
  });

  it('follows the end of a file behind a window without a size', () => {
    writeFileSync(path('tail.raw'), Buffer.alloc(4096, 1));
    using disk = opened(
      { driver: 'raw', offset: '1k', file: file('tail.raw') },
      { readOnly: false },
    );
    disk.capabilities.resizing!.resizeSync(8192);
    disk.writeSync(new Uint8Array(512).fill(3), 7680);
    expect(readFileSync(path('tail.raw')).length).toBe(1024 + 8192);
    expect(readFileSync(path('tail.raw')).at(-1)).toBe(3);
  });

  it('keeps a format within a format', () => {
    createDiskFileSync(path('outer.qcow2'), { format: 'qcow2', sizeBytes: 4 * MIB });
    const outer = { driver: 'qcow2', file: file('outer.qcow2') };
    writeFileSync(path('inner.qcow2'), '');
    createDiskFileSync(path('inner.qcow2'), { format: 'qcow2', sizeBytes: MIB, overwrite: true });
    {
      using disk = opened(outer, { readOnly: false });
      disk.writeSync(readFileSync(path('inner.qcow2')), 0);
    }
    {
      using disk = opened({ driver: 'qcow2', file: outer }, { readOnly: false });
      disk.writeSync(Buffer.from('deep'), 70_000);
    }
    expect(textAt(opened({ driver: 'qcow2', file: outer }), 70_000)).toBe('deep');
  });

  it('copies what is read', () => {
    create('cor.qcow2', 'flat.raw');
    const graph = { driver: 'copy-on-read', file: { driver: 'qcow2', file: file('cor.qcow2') } };
    expect(textAt(opened(graph, { readOnly: false }), 70_000)).toBe('flat');
    using disk = openDiskFileSync(path('cor.qcow2'));
    const depths = [...disk.blockStatusSync()].map(({ depth, lengthBytes }) => [
      depth,
      lengthBytes,
    ]);
    expect(depths).toEqual([
      [1, 65536],
      [0, 65536],
      [1, MIB - 131072],
    ]);
  });

  it('compresses what fills clusters', () => {
    create('comp.qcow2');
    const graph = { driver: 'compress', file: { driver: 'qcow2', file: file('comp.qcow2') } };
    {
      using disk = opened(graph, { readOnly: false });
      disk.writeSync(new Uint8Array(131072).fill(5), 0);
      disk.writeSync(new Uint8Array(512).fill(6), 200_000);
    }
    using disk = openDiskFileSync(path('comp.qcow2'));
    const statuses = [...disk.blockStatusSync(0, 131072)];
    expect(statuses.every(({ compressed }) => compressed)).toBe(true);
    expect(textAt(disk.tryClone(), 200_000)).toBe('\x06\x06\x06\x06');
  });

  it('ignores discards, and finds zeros, where told to', () => {
    create('policy.qcow2');
    const graph = { driver: 'qcow2', file: file('policy.qcow2') };
    {
      using disk = opened({ ...graph, discard: 'ignore' }, { readOnly: false });
      disk.writeSync(new Uint8Array(65536).fill(7), 0);
      disk.discardSync(0, 65536);
      expect(textAt(disk.tryClone())).toBe('\x07\x07\x07\x07');
    }
    using disk = opened({ ...graph, 'detect-zeroes': 'unmap' }, { readOnly: false });
    disk.writeSync(new Uint8Array(65536), 0);
    expect([...disk.blockStatusSync(0, 65536)]).toMatchObject([{ data: false, zero: true }]);
  });

  it('takes throttle groups that there are', () => {
    const graph = { driver: 'throttle', 'throttle-group': 'g', file: { driver: 'null-co' } };
    expect(refusal(() => opened(graph))).toBe("Throttle group 'g' does not exist");
    const objects = new UserObjects();
    objects.define('throttle-group,id=g');
    using disk = opened(graph, { objects });
    expect(disk).toMatchObject({ format: 'throttle', sizeBytes: 1024 ** 3 });
  });

  it('opens the file of an image alone', async () => {
    const graph = parseDiskName(path('over.qcow2'));
    const { storage, format } = await openGraphFile(graph);
    expect(format).toBeUndefined();
    expect(storage.name).toBe(path('over.qcow2'));
    storage.closeSync();
    const window = parseKeyval(`driver=raw,size=512,file.filename=${path('flat.raw')}`);
    const raw = await openGraphFile(window);
    expect([raw.format, raw.storage.sizeBytes]).toEqual(['raw', 512]);
    raw.storage.closeSync();
  });

  it('lets an image name only what the gate allows, and a user anything', () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'diskfile-graph-'));
    try {
      writeFileSync(join(elsewhere, 'far.raw'), Buffer.alloc(MIB, 'far!'));
      createDiskFileSync(path('far.qcow2'), {
        format: 'qcow2',
        sizeBytes: MIB,
        backing: { name: join(elsewhere, 'far.raw'), format: 'raw' },
        gate: { allow: 'any' },
      });
      const graph = { driver: 'qcow2', file: file('far.qcow2') };
      expect(refusal(() => opened(graph))).toMatch(/not inside the directory/);
      expect(textAt(opened(graph, { gate: { allow: 'any' } }))).toBe('far!');
      const named = { ...graph, 'backing.file.filename': join(elsewhere, 'far.raw') };
      expect(textAt(opened(named))).toBe('far!');
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it.each([
    ['driver=nope,file.filename=x', "Unknown driver 'nope'"],
    ['driver=nbd,host=x', "Unknown driver 'nbd'"],
    ['driver=qcow2', 'A block device must be specified for "file"'],
    ['filename=x', 'Must specify either driver or file'],
    ['driver=file', "The 'file' block driver requires a file name"],
    ['driver=qcow2,file=x', "Cannot find device='x' nor node-name='x'"],
    ['driver=null-co,foo=1', "Block protocol 'null-co' doesn't support the option 'foo'"],
    [
      'driver=raw,file.driver=null-co,foo=1',
      "Block format 'raw' does not support the option 'foo'",
    ],
    ['driver=raw,offset=2G,file.driver=null-co', /^Offset \(2147483648\) cannot be greater/],
    ['driver=raw,size=100,file.driver=null-co', 'Specified size is not multiple of 512'],
    ['driver=raw,discard=x,file.driver=null-co', 'Invalid discard option'],
    ['driver=raw,read-only=x,file.driver=null-co', "Parameter 'read-only' expects 'on' or 'off'"],
    ['driver=compress,file.driver=null-co', /^Compression is not supported/],
  ])('refuses %s', (options, message) => {
    expect(refusal(() => openGraphSync(parseKeyval(options)))).toMatch(message);
  });

  it('is not nested without bound', () => {
    let graph: object = { driver: 'null-co' };
    for (let depth = 0; depth < 60; depth++) graph = { driver: 'raw', file: graph };
    expect(refusal(() => opened(graph))).toMatch(/nest/);
    const dotted = `driver=raw,${'file.'.repeat(40)}driver=null-co`;
    const drivers = Array.from({ length: 40 }, (_, depth) => `${'file.'.repeat(depth)}driver=raw`);
    expect(refusal(() => openGraphSync(parseKeyval(`${drivers.join(',')},${dotted}`)))).toBe(
      'The block graph is nested too deeply',
    );
  });
});
