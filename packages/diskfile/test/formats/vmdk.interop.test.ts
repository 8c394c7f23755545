import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { QemuDirectory, withoutVmdkIdentity } from '@diskfile/testkit';
import { compareDisksSync, createDiskFileSync, openDiskFileSync } from '../../src/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const directory = mkdtempSync(join(tmpdir(), 'diskfile-vmdk-'));
const qemu = new QemuDirectory(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SPARSE = ['monolithicSparse', 'twoGbMaxExtentSparse'];
const FLAT = ['monolithicFlat', 'twoGbMaxExtentFlat'];
const WRITES = [
  'write -P 1 0 4096',
  'write -P 2 1500k 1M',
  'write -P 3 7M 512',
  'write -P 4 9900k 100k',
  'write -z 1600k 64k',
];

function bytesOf(name: string, format?: string): Buffer {
  const disk = openDiskFileSync(qemu.file(name), format === undefined ? {} : { format });
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  disk.closeSync();
  return bytes;
}

function theirBytes(name: string): Buffer {
  qemu.img('convert', '-f', 'vmdk', '-O', 'raw', name, `${name}.raw`);
  return bytesOf(`${name}.raw`, 'raw');
}

/** A descriptor or a sparse extent without its identity and the zeros at its end. */
function comparable(path: string): string {
  const withoutId = withoutVmdkIdentity(readFileSync(path));
  let end = withoutId.length;
  while (end > 0 && withoutId.charCodeAt(end - 1) === 0) end -= 1;
  return withoutId.slice(0, end);
}

type Options = Record<string, string>;
/** A place for QEMU and one for us, where files can have the same names. */
function twoPlaces(): [theirs: string, ours: string] {
  return [mkdtempSync(join(directory, 'theirs-')), mkdtempSync(join(directory, 'ours-'))];
}

function createBoth(given: Options, sizeBytes: number, name: string): [string, string] {
  const [theirs, ours] = twoPlaces();
  const flag = Object.entries(given).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  qemu.img('create', '-q', '-f', 'vmdk', ...flag, join(theirs, name), String(sizeBytes));
  createDiskFileSync(join(ours, name), { format: 'vmdk', sizeBytes, options: given });
  return [theirs, ours];
}

/** The same files, and all but large flat ones of the same bytes. */
function expectSameFiles(theirs: string, ours: string): void {
  const names = readdirSync(theirs).toSorted();
  expect(readdirSync(ours).toSorted()).toEqual(names);
  for (const name of names) {
    const [their, our] = [join(theirs, name), join(ours, name)];
    if (/-f/.test(name)) expect(statSync(our).size, name).toBe(statSync(their).size);
    else expect(comparable(our) === comparable(their), name).toBe(true);
  }
}

describe('creating', () => {
  const subformats = [...SPARSE, ...FLAT, 'streamOptimized'].map((subformat) => ({ subformat }));
  const others: Options[] = [
    { zeroed_grain: 'on' },
    { zeroed_grain: 'yes', subformat: 'streamOptimized' },
    { zeroed_grain: 'on', subformat: 'twoGbMaxExtentSparse' },
    { adapter_type: 'lsilogic', hwversion: '9' },
    { adapter_type: 'buslogic', subformat: 'monolithicFlat' },
    { adapter_type: 'legacyESX', hwversion: '' },
    { compat6: 'on', toolsversion: '7' },
    { compat6: 'on', hwversion: 'undefined', toolsversion: '' },
    { compat6: 'no', hwversion: 'undefined', zeroed_grain: 'n' },
  ];
  it.each([...subformats, ...others])('%o', (given: Options) => {
    for (const sizeBytes of [64 * KIB, 10_000 * KIB, 5 * GIB + 512]) {
      const [theirs, ours] = createBoth(given, sizeBytes, 'disk.vmdk');
      expectSameFiles(theirs, ours);
    }
  });

  it('takes the largest disks', () => {
    const [theirs, ours] = createBoth({ subformat: 'twoGbMaxExtentSparse' }, 130 * GIB, 'd.vmdk');
    expectSameFiles(theirs, ours);
    createDiskFileSync(qemu.file('62T.vmdk'), { format: 'vmdk', sizeBytes: 62 * KIB * GIB });
    expect(qemu.img('info', '62T.vmdk')).toContain('virtual size: 62 TiB');
  });

  it.each(['disk', 'a.b.c', '.vmdk', 'x.VMDK', 'two.vmdk.vmdk', 'with space.img'])(
    'names the extents of %s',
    (name) => {
      for (const subformat of ['monolithicFlat', 'twoGbMaxExtentSparse']) {
        const [theirs, ours] = createBoth({ subformat }, 3 * GIB, name);
        expectSameFiles(theirs, ours);
      }
    },
  );

  const refused: [Options, string][] = [
    [{ subformat: 'sparse' }, 'vmdk.subformat'],
    [{ adapter_type: 'IDE' }, 'vmdk.adapter'],
    [{ adapter_type: 'scsi' }, 'vmdk.adapter'],
    [{ compat6: 'on', hwversion: '6' }, 'vmdk.compat6'],
    [{ compat6: 'perhaps' }, 'vmdk.option-value'],
    [{ zeroed_grain: 'on', subformat: 'monolithicFlat' }, 'vmdk.zeroed-grain'],
    [{ zeroed_grain: 'on', subformat: 'twoGbMaxExtentFlat' }, 'vmdk.zeroed-grain'],
    [{ cluster_size: '64k' }, 'vmdk.option'],
  ];
  it.each(refused)('refuses %o as qemu-img does', (options, detail) => {
    const flag = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    expect(qemu.succeeds('create', '-f', 'vmdk', ...flag, 'no.vmdk', '1M')).toBe(false);
    const create = () =>
      createDiskFileSync(qemu.file('no.vmdk'), { format: 'vmdk', sizeBytes: MIB, options });
    const refusal = expect.objectContaining({ code: 'invalid-argument', detail }) as Error;
    expect(create).toThrowError(refusal);
  });

  it('makes overlays of every kind that can have a parent', () => {
    const [theirs, ours] = twoPlaces();
    qemu.img('create', '-q', '-f', 'vmdk', `${theirs}/base.vmdk`, '5G');
    copyFileSync(join(theirs, 'base.vmdk'), join(ours, 'base.vmdk'));
    for (const subformat of [...SPARSE, 'streamOptimized']) {
      const flags = ['-o', `subformat=${subformat}`, '-b', 'base.vmdk', '-F', 'vmdk'];
      qemu.img('create', '-q', '-f', 'vmdk', ...flags, `${theirs}/${subformat}.vmdk`);
      createDiskFileSync(join(ours, `${subformat}.vmdk`), {
        format: 'vmdk',
        options: { subformat },
        backing: { name: 'base.vmdk', format: 'vmdk' },
      });
    }
    expectSameFiles(theirs, ours);
    for (const subformat of FLAT) {
      const create = () =>
        createDiskFileSync(join(ours, 'flat.vmdk'), {
          format: 'vmdk',
          options: { subformat },
          backing: { name: 'base.vmdk', format: 'vmdk' },
        });
      const refusal = expect.objectContaining({ detail: 'vmdk.flat-backing' }) as Error;
      expect(create).toThrowError(refusal);
    }
  });
});

describe('writing what qemu-io writes', () => {
  type Change = [byte: number, offset: number, length: number];
  const changes: Change[] = [
    [1, 0, 4096],
    [2, 1500 * KIB, MIB],
    [3, 2 * GIB - 100 * KIB, 200 * KIB],
    [4, 5 * GIB, 512],
    [0, 1600 * KIB, 64 * KIB],
    [0, 1664 * KIB, 64 * KIB],
    [5, 64 * MIB + KIB, KIB],
    [6, 4 * GIB - 512, KIB],
  ];
  const kinds: [Options, number][] = [
    ...SPARSE.map((subformat): [Options, number] => [{ subformat }, 0]),
    [{ subformat: 'twoGbMaxExtentFlat' }, 0],
    [{ subformat: 'monolithicFlat' }, 0],
    [{ zeroed_grain: 'on' }, 1],
  ];
  it.each(kinds)('%o', (given, zeroedGrains) => {
    const name = 'disk.vmdk';
    const [theirs, ours] = createBoth(given, 5 * GIB + 512, name);
    const disk = openDiskFileSync(join(ours, name), { readOnly: false });
    for (const [byte, offset, length] of changes) {
      if (byte === 0) disk.writeZeroesSync(offset, length, { mayUnmap: false });
      else disk.writeSync(new Uint8Array(length).fill(byte), offset);
    }
    disk.closeSync();
    qemu.io(
      join(theirs, name),
      changes.map(([byte, offset, length]) =>
        byte === 0 ? `write -z ${offset} ${length}` : `write -P ${byte} ${offset} ${length}`,
      ),
    );
    qemu.img('compare', '-f', 'vmdk', '-F', 'vmdk', join(theirs, name), join(ours, name));
    qemu.img('check', '-q', join(ours, name));
    // Where there are zeroed grains, QEMU uses them for grains that are there as well.
    if (zeroedGrains === 0) expectSameFiles(theirs, ours);
    const [one, other] = [theirs, ours].map((place) => openDiskFileSync(join(place, name)));
    expect(compareDisksSync(one!, other!).identical).toBe(true);
    one!.closeSync();
    other!.closeSync();
  });
});

describe.each([...SPARSE, ...FLAT])('%s', (subformat) => {
  it('reads what qemu-io has written', () => {
    const name = `theirs-${subformat}.vmdk`;
    qemu.img('create', '-q', '-f', 'vmdk', '-o', `subformat=${subformat}`, name, '10000k');
    qemu.io(name, WRITES);
    expect(bytesOf(name).equals(theirBytes(name))).toBe(true);
  });

  it('writes what qemu-img reads, in turns with qemu-io', () => {
    const name = `ours-${subformat}.vmdk`;
    const options = { subformat };
    createDiskFileSync(qemu.file(name), { format: 'vmdk', sizeBytes: 10_000 * KIB, options });
    const disk = openDiskFileSync(qemu.file(name), { readOnly: false });
    const model = Buffer.alloc(disk.sizeBytes);
    const write = (byte: number, offset: number, length: number) => {
      model.fill(byte, offset, offset + length);
      disk.writeSync(new Uint8Array(length).fill(byte), offset);
    };
    write(1, 0, 4096);
    write(2, 1500 * KIB, MIB);
    disk.flushSync();
    write(3, 7 * MIB, 512);
    write(4, 9900 * KIB, 100 * KIB);
    model.fill(0, 1600 * KIB, 1664 * KIB);
    disk.writeZeroesSync(1600 * KIB, 64 * KIB);
    disk.closeSync();
    expect(theirBytes(name).equals(model)).toBe(true);
    qemu.io(name, ['write -P 9 4M 1M', 'read -P 2 1500k 100k']);
    model.fill(9, 4 * MIB, 5 * MIB);
    const again = openDiskFileSync(qemu.file(name), { readOnly: false });
    again.writeSync(new Uint8Array(3).fill(7), 5 * MIB - 1);
    again.closeSync();
    model.fill(7, 5 * MIB - 1, 5 * MIB + 2);
    expect(bytesOf(name).equals(model)).toBe(true);
    expect(theirBytes(name).equals(model)).toBe(true);
    if (subformat.endsWith('Sparse')) qemu.img('check', '-q', name);
  });
});

describe('a disk over another', () => {
  it('reads and writes as qemu-img does, and notices a changed parent', () => {
    qemu.img('create', '-q', '-f', 'vmdk', 'parent.vmdk', '6M');
    qemu.io('parent.vmdk', ['write -P 5 0 4M']);
    qemu.img('create', '-q', '-f', 'vmdk', '-b', 'parent.vmdk', '-F', 'vmdk', 'theirs.vmdk');
    createDiskFileSync(qemu.file('ours.vmdk'), {
      format: 'vmdk',
      backing: { name: 'parent.vmdk' },
    });
    for (const name of ['theirs.vmdk', 'ours.vmdk']) {
      const disk = openDiskFileSync(qemu.file(name), { readOnly: false });
      disk.writeSync(new Uint8Array(1000).fill(6), MIB + 10);
      disk.closeSync();
      qemu.io(name, ['write -P 7 3M 64k', `read -P 6 ${MIB + 10} 1000`, 'read -P 5 2M 1M']);
      expect(bytesOf(name).equals(theirBytes(name))).toBe(true);
    }
    qemu.io('parent.vmdk', ['write -P 1 0 512']);
    const disk = openDiskFileSync(qemu.file('ours.vmdk'));
    const bytes = new Uint8Array(1000);
    disk.readSync(bytes, MIB + 10);
    expect(bytes.every((byte) => byte === 6)).toBe(true);
    expect(() => disk.readSync(bytes, 2 * MIB)).toThrow(/parent has changed/);
    disk.closeSync();
  });
});
