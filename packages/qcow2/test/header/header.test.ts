import { describe, expect, it } from 'vitest';
import { writeU32be, writeU64be } from '@diskfile/bytes';
import { errorOf, openImage } from '../support/open-image.ts';
import { type ClusterSpec, contentOf } from '../support/content.ts';
import {
  EXTENSION,
  type ExtensionSpec,
  type ImageSpec,
  writeQcow2,
} from '../support/qcow2-writer.ts';

const DATA: ClusterSpec = { kind: 'data', fill: 1 };
const utf8 = new TextEncoder();

function image(spec: Partial<ImageSpec> = {}): Uint8Array {
  return writeQcow2({ clusters: [DATA, DATA, DATA], ...spec }).bytes;
}

function patched(change: (bytes: Uint8Array) => void, spec: Partial<ImageSpec> = {}): Uint8Array {
  const bytes = image(spec);
  change(bytes);
  return bytes;
}

const u32 = (at: number, value: number) => (bytes: Uint8Array) => writeU32be(bytes, at, value);
const u64 = (at: number, value: number) => (bytes: Uint8Array) => writeU64be(bytes, at, value);

describe('a header is refused', () => {
  it.each<[detail: string, code: string, change: (bytes: Uint8Array) => void]>([
    ['qcow2.version', 'unsupported', u32(4, 4)],
    ['qcow2.version', 'unsupported', u32(4, 0)],
    ['qcow2.cluster-bits', 'corrupt', u32(20, 8)],
    ['qcow2.cluster-bits', 'unsupported', u32(20, 22)],
    ['qcow2.crypt-method', 'unsupported', u32(32, 3)],
    ['qcow2.l1-table-too-small', 'corrupt', u32(36, 0)],
    ['qcow2.l1-table-too-small', 'corrupt', u64(24, 64 * 512 + 1)],
    ['qcow2.l1-table-too-large', 'corrupt', u32(36, 0xffff_ffff)],
    ['qcow2.l1-table-unaligned', 'corrupt', u64(40, 1032)],
    ['qcow2.refcount-table-unaligned', 'corrupt', u64(48, 520)],
    ['qcow2.refcount-table-size', 'corrupt', u32(56, 0)],
    ['qcow2.refcount-table-size', 'corrupt', u32(56, 0x7fff_ffff)],
    ['qcow2.snapshot-count', 'limit', u32(60, 65_537)],
    ['qcow2.header-length', 'corrupt', u32(100, 103)],
    ['qcow2.header-beyond-cluster', 'corrupt', u32(100, 520)],
    ['qcow2.refcount-order', 'corrupt', u32(96, 7)],
    ['qcow2.compression-bit', 'corrupt', (bytes) => bytes.fill(1, 104, 105)],
    ['qcow2.compression-type', 'unsupported', (bytes) => bytes.fill(2, 104, 105)],
    ['qcow2.compression-bit', 'corrupt', u64(72, 8)],
    ['qcow2.subcluster-size', 'corrupt', u64(72, 16)],
    ['qcow2.data-file-name', 'corrupt', u64(72, 4)],
    ['qcow2.raw-without-data-file', 'corrupt', u64(88, 2)],
    ['qcow2.backing-name-offset', 'corrupt', (bytes) => (u64(8, 513)(bytes), u32(16, 1)(bytes))],
    ['qcow2.backing-name', 'corrupt', (bytes) => (u64(8, 500)(bytes), u32(16, 13)(bytes))],
    ['qcow2.image-too-big', 'corrupt', u32(24, 0x20_0000)],
    ['qcow2.snapshot-table-unaligned', 'corrupt', (b) => (u32(60, 1)(b), u64(64, 8)(b))],
    ['qcow2.snapshot-table-unaligned', 'corrupt', u64(64, 8)],
  ])('%s (%s)', (detail, code, change) => {
    const error = errorOf(() => openImage(patched(change)));
    expect(error).toMatchObject({ code, detail, context: { path: 'image', format: 'qcow2' } });
    if (detail.startsWith('qcow2')) expect(error.hint).toBeTruthy();
  });

  it('when the file ends within it', () => {
    for (const length of [8, 71, 100]) {
      const error = errorOf(() => openImage(image().slice(0, length)));
      expect(error.code).toMatch(/corrupt|unsupported/);
    }
  });
});

describe('a header is taken', () => {
  it('with a header length of 104, which leaves no room for the compression type', () => {
    const bytes = patched((raw) => {
      writeU32be(raw, 100, 104);
      writeU32be(raw, 104, 0x0100_0001);
    });
    expect(openImage(bytes).info()[0]!.details).toMatchObject({
      compressionType: 'zlib',
      unknownHeaderExtensions: [{ type: '0x01000001', lengthBytes: 0 }],
    });
  });

  it('with sizes that are no whole clusters; what is over a sector is left out', () => {
    expect(openImage(patched(u64(24, 513))).sizeBytes).toBe(512);
    expect(openImage(patched(u64(24, 1024 + 511))).sizeBytes).toBe(1024);
    expect(openImage(image({ clusters: [], sizeBytes: 0 })).sizeBytes).toBe(0);
  });

  it.each([0, 1, 2, 3, 4, 5, 6])('with a refcount order of %i', (refcountOrder) => {
    const details = openImage(image({ refcountOrder })).info()[0]!.details;
    expect(details['refcountBits']).toBe(2 ** refcountOrder);
  });

  it('with any snapshot table offset of 63 bits when there are no snapshots', () => {
    expect(openImage(patched(u32(64, 0x7fff_ffff))).capabilities.snapshots!.list()).toEqual([]);
    expect(() => openImage(patched(u32(64, 0x8000_0000)))).toThrow('snapshots_offset');
  });

  it('with an L1 table beyond the end of the file: nothing is allocated', () => {
    const disk = openImage(patched(u64(40, 2 ** 40)));
    expect([...disk.blockStatusSync()]).toMatchObject([{ zero: true, allocated: false }]);
  });

  it('of version 2, which has neither features nor a header length', () => {
    const [info] = openImage(image({ version: 2 })).info();
    expect(info!.details).toMatchObject({
      compat: '0.10',
      refcountBits: 16,
      features: { incompatible: [], compatible: [], autoclear: [] },
    });
  });
});

describe('features', () => {
  it('are listed by name, and a dirty or corrupt image is read with a warning', () => {
    const disk = openImage(image({ incompatible: 3, compatible: 3, autoclear: 4 }));
    expect(disk.info()[0]!.details).toMatchObject({
      dirty: true,
      corrupt: true,
      lazyRefcounts: true,
      features: {
        incompatible: ['dirty bit', 'corrupt bit'],
        compatible: ['lazy refcounts', 'unknown bit 1'],
        autoclear: ['unknown bit 2'],
      },
    });
    const details = disk.warnings.map(({ detail }) => detail);
    expect(details).toEqual(['qcow2.marked-corrupt', 'qcow2.marked-dirty']);
    expect(JSON.parse(JSON.stringify(disk.info()))).toEqual(disk.info());
  });

  it('that nobody knows are refused under the names that the image gives them', () => {
    const name = (type: number, bit: number, text: string) => {
      const entry = new Uint8Array(48);
      entry.set([type, bit, ...utf8.encode(text)]);
      return entry;
    };
    const table = new Uint8Array(96 + 5);
    table.set(name(0, 40, 'time travel'));
    table.set(name(1, 5, 'of another kind'), 48);
    const extensions = [{ type: EXTENSION.featureNames, data: table }];
    const error = errorOf(() => openImage(image({ incompatible: 2 ** 40 + 32, extensions })));
    expect(error).toMatchObject({ code: 'unsupported', detail: 'qcow2.incompatible-feature' });
    expect(error.message).toContain('"unknown bit 5", "time travel"');
  });
});

describe('header extensions', () => {
  const withExtensions = (extensions: ExtensionSpec[], spec: Partial<ImageSpec> = {}) =>
    image({ ...spec, extensions });

  it('that are unknown are kept and listed', () => {
    const unknown = [
      { type: 0x1234_5678, data: new Uint8Array(3) },
      { type: 0xffff_0000, data: new Uint8Array(0) },
    ];
    expect(openImage(withExtensions(unknown)).info()[0]!.details).toMatchObject({
      unknownHeaderExtensions: [
        { type: '0x12345678', lengthBytes: 3 },
        { type: '0xffff0000', lengthBytes: 0 },
      ],
    });
  });

  it('are found behind long ones', () => {
    const format = { type: EXTENSION.backingFormat, data: utf8.encode('raw') };
    const long = { type: 7, data: new Uint8Array(5000) };
    const bytes = withExtensions([long, format], { clusterBits: 13, backing: 'b' });
    const disk = openImage(bytes, { files: { b: new Uint8Array(512) } });
    expect(disk.info()[0]!.backing).toEqual({ name: 'b', format: 'raw' });
  });

  it('work in version 2 as well', () => {
    const format = { type: EXTENSION.backingFormat, data: utf8.encode('raw') };
    const bytes = withExtensions([format], { version: 2, backing: 'b' });
    const disk = openImage(bytes, { files: { b: new Uint8Array(512) } });
    expect(disk.info().map((info) => info.format)).toEqual(['qcow2', 'raw']);
  });

  it.each<[detail: string, extension: ExtensionSpec, cryptMethod: number]>([
    ['qcow2.backing-format-length', { type: EXTENSION.backingFormat, data: new Uint8Array(16) }, 0],
    ['qcow2.encryption-header', { type: EXTENSION.encryptionHeader, data: new Uint8Array(16) }, 0],
    ['qcow2.encryption-header', { type: EXTENSION.encryptionHeader, data: new Uint8Array(8) }, 2],
  ])('%s is refused', (detail, extension, cryptMethod) => {
    const error = errorOf(() => openImage(withExtensions([extension], { cryptMethod })));
    expect(error).toMatchObject({ code: 'corrupt', detail });
  });

  it('must end within the first cluster', () => {
    const tooLong = withExtensions([{ type: 9, data: new Uint8Array(8) }]);
    writeU32be(tooLong, 116, 1000);
    expect(errorOf(() => openImage(tooLong)).detail).toBe('qcow2.header-extension-length');
    const oddEnd = withExtensions([]);
    writeU32be(oddEnd, 116, 1000);
    expect(errorOf(() => openImage(oddEnd)).detail).toBe('qcow2.header-extension-length');
    const noEnd = withExtensions([{ type: 9, data: new Uint8Array(392) }]);
    expect(openImage(noEnd).sizeBytes).toBe(1536);
  });
});

describe('backing images', () => {
  const below = new Uint8Array(700).fill(5);

  it('are named with their format, and opened below', () => {
    const bytes = image({
      clusters: [{ kind: 'unallocated', fill: 0 }, DATA],
      backing: 'dir/base',
    });
    const disk = openImage(bytes, { files: { 'dir/base': below } });
    expect(disk.info()[0]!.backing).toEqual({ name: 'dir/base', format: undefined });
    const first = new Uint8Array(512);
    disk.readSync(first, 0);
    expect(first).toEqual(below.slice(0, 512));
  });

  it('that the gate refuses are an error of opening', () => {
    expect(errorOf(() => openImage(image({ backing: '/etc/passwd' })))).toMatchObject({
      code: 'denied',
    });
  });
});

describe('external data files', () => {
  const clusters: ClusterSpec[] = [DATA, { kind: 'unallocated', fill: 0 }, DATA];
  const named = (name: string): ExtensionSpec[] => [
    { type: EXTENSION.dataFileName, data: utf8.encode(name) },
  ];

  it('are opened through the gate and described', () => {
    const written = writeQcow2({ clusters, dataFile: true, autoclear: 2, extensions: named('d') });
    const disk = openImage(written.bytes, { files: { d: written.dataFile } });
    expect(disk.info()[0]!.details).toMatchObject({ dataFile: 'd', dataFileRaw: true });
    expect(disk.physicalSizeBytes()).toBe(written.bytes.length + written.dataFile.length);
    expect([...disk.blockStatusSync()].map((status) => status.storageName)).toEqual([
      'd',
      undefined,
      'd',
    ]);
  });

  it.each([
    ['nbd://host/export', 'unsupported', 'reference.protocol'],
    ['elsewhere', 'denied', 'test.gate'],
    ['json:{"driver":"qcow2","file":{"filename":"d"}}', 'unsupported', 'qcow2.data-file-format'],
  ])('named %s are refused', (name, code, detail) => {
    const spec = { clusters, clusterBits: 10, dataFile: true, extensions: named(name) };
    const { bytes, dataFile } = writeQcow2(spec);
    expect(errorOf(() => openImage(bytes, { files: { d: dataFile } }))).toMatchObject({
      code,
      detail,
    });
  });
});

describe('encrypted images', () => {
  it('open, tell it, and refuse to be read; what is compressed is not encrypted', () => {
    const clusters: ClusterSpec[] = [
      { kind: 'zero', fill: 0 },
      DATA,
      { kind: 'compressed', fill: 2 },
      { kind: 'unallocated', fill: 0 },
    ];
    const disk = openImage(image({ clusters, cryptMethod: 1 }));
    expect(disk.info()[0]!.details['encryption']).toEqual({ method: 'aes', locked: true });
    const bytes = new Uint8Array(512).fill(1);
    for (const zeros of [0, 3 * 512]) {
      disk.readSync(bytes, zeros);
      expect(bytes).toEqual(new Uint8Array(512));
    }
    disk.readSync(bytes, 1024);
    expect(bytes).toEqual(contentOf(2, 512));
    const error = errorOf(() => disk.readSync(bytes, 512));
    expect(error).toMatchObject({ code: 'wrong-key', detail: 'qcow2.passphrase-missing' });
    expect(error.message).toContain('AES');
  });

  it('by LUKS are refused where there is no LUKS header', () => {
    const pointer = new Uint8Array(16);
    writeU64be(pointer, 0, 512);
    const extensions = [{ type: EXTENSION.encryptionHeader, data: pointer }];
    const opened = () => openImage(image({ clusters: [DATA], cryptMethod: 2, extensions }));
    expect(errorOf(opened)).toMatchObject({ code: 'corrupt', detail: 'luks.magic' });
    const unnamed = () => openImage(image({ clusters: [DATA], cryptMethod: 2 }));
    expect(errorOf(unnamed)).toMatchObject({ detail: 'qcow2.encryption-header' });
  });
});

describe('probing', () => {
  it('leaves version 1 to the other driver and short files to raw', () => {
    expect(openImage(patched(u32(4, 1))).format).toBe('raw');
    expect(openImage(image().slice(0, 7)).format).toBe('raw');
  });

  it('gives way to a stated format', () => {
    expect(openImage(image(), { format: 'raw' }).format).toBe('raw');
    for (const byte of [0, 0xff]) {
      const other = new Uint8Array(1024).fill(byte);
      const error = errorOf(() => openImage(other, { format: 'qcow2' }));
      expect(error).toMatchObject({ code: 'corrupt', detail: 'qcow2.magic' });
    }
  });
});
