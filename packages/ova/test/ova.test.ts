import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  MemoryStorage,
  noDecoders,
  openChain,
  runSync,
} from '@diskfile/core';
import { rawDriver } from '@diskfile/raw';
import { buildTar, type TarMember, refusalOf } from '@diskfile/testkit';
import { ovaDriver } from '../src/index.ts';

const raw = Buffer.alloc(2048, 'raw disk');

function ovf(...files: readonly string[]): TarMember {
  const references = files.map((file, index) => `<File href="${file}" id="f${index}"/>`);
  const disks = files.map((_, index) => `<Disk diskId="d${index}" fileRef="f${index}"/>`);
  return { name: 'box.ovf', data: Buffer.from(`<E>${references.join('')}${disks.join('')}</E>`) };
}

function open(bytes: Uint8Array, disk?: string): DiskFile {
  const chain = runSync(
    openChain(new MemoryStorage(bytes, 'box.ova'), {
      drivers: [ovaDriver, rawDriver],
      decoders: noDecoders,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'ova',
      snapshot: undefined,
      ...(disk === undefined ? {} : { disk }),
      writable: false,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function read(disk: DiskFile): Buffer {
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

describe('an appliance', () => {
  it('is recognised by its first file', () => {
    const probe = (head: Uint8Array) =>
      ovaDriver.probe({ head, tail: head, sizeBytes: head.length });
    const folder = { name: './', data: Buffer.alloc(0), type: '5' };
    expect(probe(buildTar([ovf('a')]))).toBe('yes');
    expect(probe(buildTar([folder, ovf('a')]))).toBe('yes');
    const manifest = { name: 'box.mf', data: Buffer.from('SHA1(box.ovf)= 0\n') };
    expect(probe(buildTar([manifest, { name: 'box.cert', data: raw }, ovf('a')]))).toBe('yes');
    expect(probe(buildTar([manifest, { name: 'a', data: raw }, ovf('a')]))).toBe('no');
    expect(probe(buildTar([manifest]))).toBe('no');
    expect(probe(buildTar([{ name: 'a', data: raw }, ovf('a')]))).toBe('no');
    expect(probe(buildTar([{ name: 'a.vmdk', data: raw }, ovf('a.vmdk')]))).toBe('yes');
    const long = { name: 'x', data: Buffer.from('deep/'.repeat(40)), type: 'L' };
    expect(probe(buildTar([long, folder, ovf('a')]))).toBe('yes');
    expect(probe(buildTar([]))).toBe('no');
    for (const length of [0, 1, 511, 512]) expect(probe(raw.subarray(0, length))).toBe('no');
  });

  it.each(['', '\0'.repeat(39), '39', '0 path=a\n', '-3 path=a\n', '3 ', '99 path=a\n'])(
    'goes on behind a pax header that makes no sense: %j',
    (records) => {
      const pax = { name: 'x', data: Buffer.from(records), type: 'x' };
      const archive = buildTar([ovf('a'), pax, { name: 'a', data: raw }]);
      expect(read(open(archive))).toEqual(raw);
      const first = buildTar([pax, ovf('a'), { name: 'a', data: raw }]);
      expect(ovaDriver.probe({ head: first, tail: first, sizeBytes: first.length })).toBe('yes');
    },
  );

  it('has members under long names and with sizes in base 256', () => {
    const name = `${'long/'.repeat(40)}a.raw`;
    const size = Buffer.alloc(12);
    size[0] = 0x80;
    size.writeUInt32BE(raw.length, 8);
    const path = `${name.length + 10} path=${name}\n`;
    const archives = [
      [
        ovf(name),
        { name: 'L', data: Buffer.from(`${name}\0`), type: 'L' },
        { name: 'x', data: raw },
      ],
      [ovf(name), { name: 'x', data: Buffer.from(path), type: 'x' }, { name: 'x', data: raw }],
      [ovf('a'), { name: './a', data: raw, sizeField: size }],
    ];
    for (const members of archives) {
      const disk = open(buildTar(members));
      expect(read(disk).equals(raw)).toBe(true);
      const [status] = [...disk.blockStatusSync()];
      expect(status!.hostOffset! % 512).toBe(0);
    }
  });

  it('has disks whose names are URIs, or have references to characters', () => {
    for (const [href, name] of [
      ['my%20disk.raw', 'my disk.raw'],
      ['100%.raw', '100%.raw'],
      ['a%20b', 'a%20b'],
      ['gr&#xFC;n.raw', 'grün.raw'],
      ['gr&#252;n&amp;.raw', 'grün&.raw'],
      ['&#x110000;&nbsp;', '&#x110000;&nbsp;'],
      ['&toString;', '&toString;'],
    ] as const) {
      expect(read(open(buildTar([ovf(href), { name, data: raw }]))).equals(raw)).toBe(true);
    }
  });

  it('has the disk that is called as a URI is before the one that the URI stands for', () => {
    const other = { name: 'a b', data: Buffer.alloc(1024, 'other') };
    const archive = buildTar([ovf('a%20b'), other, { name: 'a%20b', data: raw }]);
    expect(read(open(archive)).equals(raw)).toBe(true);
  });

  it('has disks that are cut into chunks', () => {
    const content = Buffer.alloc(5000).map((_, at) => (at * 7) % 251);
    const cut = (from: number, to: number, number: string): TarMember => {
      return { name: `a b.raw.${number}`, data: content.subarray(from, to) };
    };
    const chunks = [
      cut(0, 512, '000000000'),
      cut(512, 700, '000000001'),
      cut(700, 3072, '000000002'),
    ];
    const other = { name: 'other', data: raw };
    for (const archive of [
      buildTar([ovf('a b.raw'), ...chunks]),
      buildTar([ovf('a%20b.raw'), chunks[2]!, other, chunks[0]!, chunks[1]!]),
    ]) {
      expect(read(open(archive)).equals(content.subarray(0, 3072))).toBe(true);
    }
    for (const left of [[chunks[0]!, chunks[2]!], [chunks[1]!]]) {
      expect(refusalOf(() => open(buildTar([ovf('a b.raw'), ...left])))).toBe('corrupt ova.broken');
    }
  });

  it('is chosen from by id, file or number, and has none other', () => {
    const other = Buffer.alloc(1024, 'other');
    const archive = buildTar([ovf('a', 'b'), { name: 'a', data: raw }, { name: 'b', data: other }]);
    for (const name of ['d1', 'b', '1']) expect(read(open(archive, name)).equals(other)).toBe(true);
    expect(refusalOf(() => open(archive, 'd2'))).toBe('not-found ova.no-disk');
    expect(refusalOf(() => open(buildTar([ovf('../../etc/passwd')])))).toBe(
      'not-found ova.no-member',
    );
    expect(refusalOf(() => open(buildTar([ovf()])))).toBe('not-found ova.no-disk');
  });

  it('is refused where it is damaged', () => {
    const archive = buildTar([ovf('a'), { name: 'a', data: raw }]);
    expect(refusalOf(() => open(archive.subarray(0, 2000)))).toBe('corrupt ova.broken');
    archive[1024] = 0xff;
    expect(refusalOf(() => open(archive))).toBe('corrupt ova.broken');
    for (const field of [
      '77777777777\0',
      '-0000000001\0',
      '\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
      '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
    ]) {
      const member = { name: 'a', data: raw, sizeField: Buffer.from(field, 'latin1') };
      expect(refusalOf(() => open(buildTar([ovf('a'), member])))).toBe('corrupt ova.broken');
    }
    expect(refusalOf(() => open(buildTar([{ name: 'a', data: raw }])))).toBe('corrupt ova.broken');
  });

  it('takes no time over a descriptor that is none', () => {
    // Beginning anew at every letter takes minutes, which no test has.
    const noTags = `<File ${'a = '.repeat(400_000)}${'<File'.repeat(400_000)}`;
    const longNames = `<File ${'a'.repeat(400_000)}>`.repeat(9);
    for (const text of [noTags, longNames]) {
      const archive = buildTar([{ name: 'x.ovf', data: Buffer.from(text) }]);
      expect(refusalOf(() => open(archive))).toBe('not-found ova.no-disk');
    }
  });
});

describe('a check of an appliance', () => {
  function check(manifest: string) {
    const members = [ovf('a'), { name: 'a', data: raw }];
    const archive = buildTar([...members, { name: 'box.mf', data: Buffer.from(manifest) }]);
    let hashedBytes = 0;
    const report = runSync(
      ovaDriver.check!({
        storage: new MemoryStorage(archive, 'box.ova'),
        decoders: noDecoders,
        makeHash(algorithm) {
          const hash = createHash(algorithm);
          return {
            update(bytes) {
              hashedBytes += bytes.length;
              hash.update(bytes);
            },
            digest: () => hash.digest(),
          };
        },
        limits: DEFAULT_LIMITS,
        repair: undefined,
        warn() {},
        openNamed() {
          throw new Error('The manifest is all that is looked at');
        },
        onProgress() {},
      }),
    );
    return { ...report, hashedBytes };
  }

  it('reads a file once for a digest, however often the manifest names it', () => {
    const digest = createHash('sha256').update(raw).digest('hex');
    const manifest = `SHA256(a)= ${digest}\nSHA256(./a)= ${'0'.repeat(64)}\nSHA1(b)= 0\n`;
    const { corruptions, findings, hashedBytes } = check(manifest.repeat(5000));
    expect(corruptions).toBe(10_000);
    expect(findings.slice(0, 2).map(({ detail }) => detail)).toEqual([
      'ova.digest',
      'ova.no-member',
    ]);
    expect(hashedBytes).toBe(raw.length);
    expect(refusalOf(() => check('\n'.repeat(1024 * 1024 + 1)))).toBe('corrupt ova.broken');
  });
});
