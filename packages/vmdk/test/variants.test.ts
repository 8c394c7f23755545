/** What programs write that is not as most have it, and means the same. */
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { writeU32le } from '@diskfile/bytes';
import { detailOf } from '@diskfile/testkit';
import { vmdkDriver } from '../src/index.ts';
import { Folder, noise } from './support/disks.ts';

const SECTOR = 512;
const KIB = 1024;
const USUAL = `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=00000123
parentCID=ffffffff
createType="monolithicFlat"

# Extent description
RW 8 FLAT "disk-flat.vmdk" 0

# The Disk Data Base
#DDB
ddb.adapterType = "lsilogic"
`;

function probed(text: string): string {
  const head = Buffer.from(text, 'latin1');
  return vmdkDriver.probe({ head, tail: head, sizeBytes: head.length });
}

describe('a descriptor', () => {
  const flat = noise(8 * SECTOR);
  const variants: readonly (readonly [name: string, text: string, file?: string])[] = [
    ['as most have it', USUAL],
    ['with line ends of DOS', USUAL.replaceAll('\n', '\r\n')],
    ['with a byte order mark', `\xef\xbb\xbf${USUAL}`],
    ['with the comment in other letters', USUAL.replace('# Disk', '# disk')],
    ['without the comment', USUAL.replace('# Disk DescriptorFile\n', '')],
    ['behind other comments', `\r\n# Made by hand\n\n  #\n${USUAL.replace(/^.*\n/, '')}`],
    [
      'with space around its values',
      USUAL.replaceAll('=', ' =\t').replace('version =\t', 'version='),
    ],
    ['with quotes around all values', USUAL.replace(/CID=(\w+)/g, 'CID="$1"')],
    ['with keys in other letters', USUAL.replace('createType', 'CREATETYPE')],
    ['with space in its extent', USUAL.replace('RW 8 FLAT "disk', ' RW\t 8  FLAT   "disk')],
    ['with a path of Windows', USUAL.replace('disk-flat', 'C:\\\\VMs\\\\my vm\\\\disk-flat')],
    ['with a path of ESXi', USUAL.replace('disk-flat', '/vmfs/volumes/5a-b/vm/disk-flat')],
    ['with a space in a name', USUAL.replace('disk-flat', 'my disk-flat'), 'my disk-flat.vmdk'],
    ['with a name in UTF-8', USUAL.replace('disk-flat', 'gr\xc3\xbcn'), 'grün.vmdk'],
    [
      'with a name in a code page',
      USUAL.replace('UTF-8', 'windows-1252').replace('disk-flat', 'gr\xfcn'),
      'grün.vmdk',
    ],
    [
      'with a name in a Japanese code page',
      USUAL.replace('UTF-8', 'Shift_JIS').replace('disk-flat', '\x83\x66\x83\x42'),
      'ディ.vmdk',
    ],
    [
      'with a code page that it does not follow',
      USUAL.replace('UTF-8', 'windows-1252').replace('disk-flat', 'gr\xc3\xbcn'),
      'grün.vmdk',
    ],
    [
      'with a code page that nobody knows',
      USUAL.replace('UTF-8', 'x-none').replace('disk-flat', 'gr\xfcn'),
      'gr\udcfcn.vmdk',
    ],
  ];

  const named = variants.map(
    ([name, text, file = 'disk-flat.vmdk']) => [name, text, file] as const,
  );
  it.each(named)('%s is read, and written', (_, text, file) => {
    expect(probed(text)).toBe('yes');
    const folder = new Folder();
    folder.put('disk.vmdk', new Uint8Array(Buffer.from(text, 'latin1')));
    folder.put(file, flat.slice());
    expect(Buffer.compare(folder.read('disk.vmdk'), flat)).toBe(0);
    const disk = folder.open('disk.vmdk');
    disk.writeSync(Uint8Array.of(1), 1000);
    disk.closeSync();
    const written = folder.read('disk.vmdk');
    expect(written[1000]).toBe(1);
    expect(folder.bytes('disk.vmdk')).not.toEqual(new Uint8Array(Buffer.from(text, 'latin1')));
  });

  it('is told from other texts, however long their comments are', () => {
    expect(probed('# A configuration\nversions=1\n')).toBe('no');
    expect(probed('version=4\n')).toBe('no');
    expect(probed(`${'\n'.repeat(5000)}x`)).toBe('no');
    expect(probed(`${'#\t \n'.repeat(900)}x`)).toBe('no');
  });

  it('is read in no time, however many empty lines come before what is no UTF-8', () => {
    // Beginning anew at every line takes minutes, which no test has.
    const text = USUAL.replace('encoding="UTF-8"', '\n'.repeat(2048 * KIB));
    const folder = new Folder();
    folder.put('disk.vmdk', Buffer.from(text.replace('disk-flat', 'gr\xfcn'), 'latin1'));
    folder.put('gr\udcfcn.vmdk', flat.slice());
    expect(Buffer.compare(folder.read('disk.vmdk'), flat)).toBe(0);
  });

  it.each([
    ['a flat extent before its file', 'RW 8 FLAT "a" -1'],
    ['a flat extent of which nobody says where it begins', 'RW 8 FLAT "a"'],
    ['a name without an end', 'RW 8 FLAT "a 0'],
    ['a sparse extent within its file', 'RW 8 SPARSE "a" 0'],
    ['a line that is very long', `RW 8 VMFS "a" 0${' '.repeat(5000)}`],
  ])('is refused for %s', (_, line) => {
    const folder = new Folder();
    const text = USUAL.replace('RW 8 FLAT "disk-flat.vmdk" 0', line);
    folder.put('disk.vmdk', new Uint8Array(Buffer.from(text)));
    expect(() => folder.read('disk.vmdk')).toThrowError(
      expect.objectContaining({
        detail: 'vmdk.extent-line',
        message: `Invalid extent line: ${line.slice(0, 1024)}`,
      }),
    );
  });

  it('is refused for a type that nobody knows', () => {
    const folder = new Folder();
    const text = USUAL.replace('monolithicFlat', 'monolithicflat');
    folder.put('disk.vmdk', new Uint8Array(Buffer.from(text)));
    expect(() => folder.read('disk.vmdk')).toThrowError(
      expect.objectContaining({ detail: 'vmdk.create-type' }),
    );
  });

  it('that names a file elsewhere is refused under that name', () => {
    const folder = new Folder();
    const text = USUAL.replace('disk-flat', '/elsewhere/other');
    folder.put('disk.vmdk', new Uint8Array(Buffer.from(text)));
    expect(detailOf(() => folder.read('disk.vmdk'))).toBe('test.no-file');
    expect(folder.opened).toEqual(['/elsewhere/other.vmdk', 'other.vmdk']);
  });
});

describe('a sparse extent', () => {
  const HEADER = { version: 4, flags: 8, capacity: 12, descriptorAt: 28, directory: 56 } as const;

  function header(fields: Partial<Record<keyof typeof HEADER | 'descriptorSize', number>>) {
    const folder = new Folder();
    folder.create('made.vmdk', 64 * KIB);
    const bytes = folder.bytes('made.vmdk');
    writeU32le(bytes, 36, fields.descriptorSize ?? 20);
    for (const [name, at] of Object.entries(HEADER)) {
      const value = fields[name as keyof typeof HEADER];
      if (value !== undefined) writeU32le(bytes, at, value);
    }
    return bytes;
  }

  it('may have room for a descriptor and none in it', () => {
    const folder = new Folder();
    const bytes = header({});
    bytes.fill(0, SECTOR, 21 * SECTOR);
    folder.put('disk-s001.vmdk', bytes);
    expect(folder.read('disk-s001.vmdk')).toEqual(new Uint8Array(64 * KIB));
  });

  it('may end within its last grain, and is as it was where nothing is written', () => {
    const folder = new Folder();
    folder.create('disk.vmdk', 100 * KIB);
    const made = folder.open('disk.vmdk');
    made.writeSync(noise(100 * KIB), 0);
    made.closeSync();
    const whole = folder.bytes('disk.vmdk');
    const cut = whole.subarray(0, whole.length - 20 * KIB);
    folder.put('disk.vmdk', cut.slice());
    const disk = folder.open('disk.vmdk');
    disk.readSync(new Uint8Array(SECTOR), 0);
    disk.flushSync();
    disk.closeSync();
    expect(Buffer.compare(folder.bytes('disk.vmdk'), cut)).toBe(0);
  });

  it('may be there for its descriptor alone', () => {
    const folder = new Folder();
    const bytes = header({ capacity: 0, directory: 0 });
    bytes.fill(0, SECTOR, 21 * SECTOR);
    bytes.set(new TextEncoder().encode(USUAL), SECTOR);
    folder.put('disk.vmdk', bytes);
    const flat = noise(8 * SECTOR);
    folder.put('disk-flat.vmdk', flat.slice());
    expect(Buffer.compare(folder.read('disk.vmdk'), flat)).toBe(0);
  });

  it('may be compressed without markers, and is not written then', () => {
    const folder = new Folder();
    folder.create('disk.vmdk', 128 * KIB, { subformat: 'streamOptimized' });
    const content = noise(64 * KIB);
    const disk = folder.open('disk.vmdk');
    disk.writeSync(content, 64 * KIB);
    disk.closeSync();
    const storage = folder.files.get('disk.vmdk')!;
    const packed = deflateSync(content);
    const flags = new Uint8Array(4);
    writeU32le(flags, 0, 0x1_0001);
    storage.writeSync(flags, HEADER.flags);
    storage.writeSync(packed, 64 * KIB);
    expect(Buffer.compare(folder.read('disk.vmdk').subarray(64 * KIB), content)).toBe(0);
    expect(detailOf(() => folder.open('disk.vmdk'))).toBe('vmdk.not-writable');
  });
});

describe('a parent', () => {
  it.each([
    ['C:\\VMs\\base\\base.vmdk', 'base.vmdk'],
    ['..\\base\\base.vmdk', '../base/base.vmdk'],
    ['base\\base.vmdk', 'base/base.vmdk'],
    ['\\\\server\\share\\base.vmdk', 'base.vmdk'],
    ['/vmfs/volumes/5a-b/base/base.vmdk', 'base.vmdk'],
    ['/vmfs/volumes/5a-b/base/base.vmdk', '/vmfs/volumes/5a-b/base/base.vmdk'],
    ['base.vmdk', 'base.vmdk'],
  ])('named %s is found as %s', (hint, name) => {
    const folder = new Folder();
    folder.create('base.vmdk', 128 * KIB);
    const base = folder.open('base.vmdk');
    const content = noise(128 * KIB);
    base.writeSync(content, 0);
    base.closeSync();
    folder.create('top.vmdk', 128 * KIB, {}, 'base.vmdk');
    folder.put(name, folder.bytes('base.vmdk'));
    if (name !== 'base.vmdk') folder.files.delete('base.vmdk');
    const bytes = Buffer.from(folder.bytes('top.vmdk'));
    const text = bytes.toString('latin1', SECTOR, 21 * SECTOR).replaceAll('\0', '');
    const renamed = text.replace(/parentFileNameHint=.*/, () => `parentFileNameHint="${hint}"`);
    bytes.fill(0, SECTOR, 21 * SECTOR);
    bytes.write(renamed, SECTOR, 'latin1');
    folder.put('top.vmdk', new Uint8Array(bytes));
    expect(Buffer.compare(folder.read('top.vmdk'), content)).toBe(0);
  });
});
