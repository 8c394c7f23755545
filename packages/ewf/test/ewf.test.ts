import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { makeDecoders } from '@diskfile/codec';
import {
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type Limits,
  MemoryStorage,
  type NamedFile,
  openChain,
  runAsync,
  runSync,
  type Step,
  type Storage,
} from '@diskfile/core';
import {
  buildEwf,
  type EwfSpec,
  listEwfSections,
  repairEwfChecksums,
  refusalOf,
} from '@diskfile/testkit';
import { ewfDriver } from '../src/index.ts';
import { segmentName } from '../src/segment-names.ts';

const CHUNK = 4096;
/** 23 chunks and a last one of one sector: five tables, three segments. */
const content = Buffer.alloc(23 * CHUNK + 512, 0).map((_, at) =>
  at % (3 * CHUNK) < CHUNK ? 0 : Math.imul(at, 0x9e37_79b1) >>> 24,
);
const decoders = makeDecoders();

function fileName(index: number): string {
  return `disk.E0${index + 1}`;
}

/** Opens the other segments by their names, and notes which. */
function namedFiles(segments: readonly Uint8Array[], asked: string[] = []) {
  return function* openNamed({ filename }: NamedFile): Step<Storage> {
    asked.push(filename);
    const index = segments.findIndex((_, at) => fileName(at) === filename);
    if (index < 0) throw new DiskError('not-found', 'test.none', `no ${filename}`);
    return new MemoryStorage(segments[index]!, filename);
  };
}

function open(
  segments: readonly Uint8Array[],
  limits: Partial<Limits> = {},
  storage = new MemoryStorage(segments[0]!, `/cases/${fileName(0)}`),
): DiskFile {
  const openNamed = namedFiles(segments);
  const chain = runSync(
    openChain(storage, {
      drivers: [ewfDriver],
      decoders,
      gate: { open: ({ file }) => openNamed(file) },
      limits: { ...DEFAULT_LIMITS, ...limits },
      format: undefined,
      snapshot: undefined,
      writable: false,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function readAll(disk: DiskFile): Buffer {
  const bytes = Buffer.alloc(disk.sizeBytes);
  disk.readSync(bytes, 0);
  return bytes;
}

const makeHash = (algorithm: string) => createHash(algorithm);

function check(segments: readonly Uint8Array[]) {
  return ewfDriver.check!({
    storage: new MemoryStorage(segments[0]!, `/cases/${fileName(0)}`),
    decoders,
    makeHash,
    limits: DEFAULT_LIMITS,
    repair: undefined,
    warn() {},
    openNamed: namedFiles(segments),
    onProgress() {},
  });
}

/** The segments with a number put somewhere into a section of the first one. */
function patched(spec: EwfSpec, type: string, at: number, value: number, fix = true): Buffer[] {
  const segments = buildEwf(spec);
  const first = segments[0]!;
  const section = listEwfSections(first).find((each) => each.type === type)!;
  first.writeUInt32LE(value, section.dataOffset + at);
  if (fix) repairEwfChecksums(first);
  return segments;
}

describe('an EWF image', () => {
  const specs: EwfSpec[] = [
    { content },
    { content, usesBaseOffset: true },
    { content, kind: 'smart' },
    { content, chunksPerTable: 100, isCompressed: () => false },
    { content, tablesPerSegment: 1, isCompressed: () => true },
    { content: Buffer.alloc(0) },
  ];

  it.each(specs)('reads as what it was made of (%#)', async (spec) => {
    const segments = buildEwf(spec);
    const disk = open(segments, { metadataCacheBytes: 24 });
    expect(readAll(disk).equals(spec.content)).toBe(true);
    for (const [from, to] of [
      [CHUNK - 1, CHUNK + 1],
      [5 * CHUNK + 7, 11 * CHUNK],
      [23 * CHUNK, 23 * CHUNK + 512],
    ] as const) {
      if (to > disk.sizeBytes) continue;
      const part = Buffer.alloc(to - from);
      await disk.read(part, from);
      expect(part.equals(spec.content.subarray(from, to))).toBe(true);
    }
    expect(disk.info()[0]!.details).toMatchObject({
      segments: segments.length,
      md5: createHash('md5').update(spec.content).digest('hex'),
    });
    const report = await runAsync(check(segments));
    expect([report.corruptions, report.checkErrors]).toEqual([0, 0]);
    expect(report.totalClusters).toBe(Math.ceil(spec.content.length / CHUNK));
  });

  it('tells what the examiner noted', () => {
    const text = (encoding: BufferEncoding) =>
      Buffer.from(
        '1\r\nmain\r\nc\tn\ta\te\tt\tav\tov\tm\tu\tp\tconstructor\r\n' +
          '7\t\tA disk\tJane\t\t6.1\tLinux\t2026 1 2 3 4 5\t1386674918\t0\tx\r\n\r\n',
        encoding,
      );
    const utf16 = Buffer.concat([Buffer.of(0xff, 0xfe), text('utf16le')]);
    for (const [type, bytes] of [
      ['header', text('latin1')],
      ['header2', utf16],
    ] as const) {
      const notes = [
        { type, data: deflateSync(bytes) },
        { type: 'header', data: Buffer.from('no zlib at all') },
      ];
      expect(open(buildEwf({ content, notes })).info()[0]!.details).toMatchObject({
        caseNumber: '7',
        description: 'A disk',
        examiner: 'Jane',
        acquiredAt: '2026-01-02 03:04:05',
        systemTime: '2013-12-10T11:28:38.000Z',
      });
    }
  });

  it('reads table2 where the table is damaged, and a check says so', () => {
    for (const at of [0, 24]) {
      const segments = patched({ content }, 'table', at, 0xffff_ffff, false);
      expect(readAll(open(segments)).equals(content)).toBe(true);
      const report = runSync(check(segments));
      if (at === 24)
        expect(report.findings.map(({ detail }) => detail)).toEqual(['ewf.table-checksum']);
    }
    const segments = patched({ content }, 'table', 24, 0, false);
    const mirror = listEwfSections(segments[0]!).find(({ type }) => type === 'table2')!;
    segments[0]!.writeUInt32LE(0, mirror.dataOffset + 24);
    expect(refusalOf(() => readAll(open(segments)))).toBe('corrupt ewf.table-checksum');
  });

  it('may have mirrors of tables alone', () => {
    const segments = buildEwf({ content });
    for (const segment of segments) {
      for (const section of listEwfSections(segment)) {
        if (section.type === 'table') segment.write('other', section.dataOffset - 76, 'latin1');
      }
      repairEwfChecksums(segment);
    }
    expect(readAll(open(segments)).equals(content)).toBe(true);
  });

  it('refuses damaged chunks where they are, and a check finds each', () => {
    const segments = buildEwf({ content });
    const sectors = listEwfSections(segments[1]!).find(({ type }) => type === 'sectors')!;
    // The first chunk of the second segment, number 10, is compressed and the next one is plain.
    segments[1]![sectors.dataOffset + 10]! ^= 1;
    segments[1]![sectors.end - 1]! ^= 1;
    const disk = open(segments);
    disk.readSync(new Uint8Array(10 * CHUNK), 0);
    const chunk = new Uint8Array(CHUNK);
    expect(refusalOf(() => disk.readSync(chunk, 10 * CHUNK))).toMatch(/^corrupt /);
    disk.readSync(chunk, 11 * CHUNK);
    const report = runSync(check(segments));
    expect(report.findings.map(({ guestOffset }) => guestOffset)).toEqual([10 * CHUNK, 14 * CHUNK]);
    expect(report.corruptions).toBe(2);
  });

  it('compares the digest', () => {
    const md5 = createHash('md5').update('something else').digest();
    const report = runSync(check(buildEwf({ content, md5 })));
    expect(report.findings.map(({ detail }) => detail)).toEqual(['ewf.md5']);
    expect(report.findings[0]!.message).toContain(md5.toString('hex'));
  });

  it('reads chunks beyond 2 GiB as EnCase 6.7 wrote them', () => {
    const [first, ...others] = buildEwf({ content, isCompressed: () => false }) as [Buffer];
    const tables = listEwfSections(first).filter(({ type }) => type.startsWith('table'));
    // The third chunk of the first table is to begin at 2 GiB.
    const shift = 2 ** 31 - first.readUInt32LE(tables[0]!.dataOffset + 24 + 2 * 4);
    for (const { dataOffset } of tables.slice(0, 2)) {
      for (let at = dataOffset + 24; at < dataOffset + 24 + 5 * 4; at += 4) {
        first.writeUInt32LE(first.readUInt32LE(at) + shift, at);
      }
    }
    repairEwfChecksums(first);
    const disk = open([first, ...others], {}, new FarStorage(first, shift));
    const bytes = Buffer.alloc(5 * CHUNK);
    disk.readSync(bytes, 0);
    expect(bytes.equals(content.subarray(0, bytes.length))).toBe(true);
  });
});

/** A file whose bytes are there once more, so much further on. */
class FarStorage extends MemoryStorage {
  readonly #shift: number;

  constructor(bytes: Uint8Array, shift: number) {
    super(bytes, fileName(0));
    this.#shift = shift;
  }

  override get sizeBytes(): number {
    return super.sizeBytes + (this.#shift ?? 0);
  }

  override readSync(dst: Uint8Array, offset: number): void {
    super.readSync(dst, offset >= this.#shift ? offset - this.#shift : offset);
  }
}

describe('what is no good image', () => {
  it.each([
    ['volume', 8, 0, 'corrupt ewf.chunk-size'],
    ['volume', 8, 0xffff_ffff, 'limit ewf.chunk-size'],
    ['volume', 12, 0, 'corrupt ewf.sector-size'],
    ['volume', 12, 513, 'corrupt ewf.sector-size'],
    ['volume', 20, 0x0010_0000, 'corrupt ewf.size'],
    ['volume', 20, 0xffff_ffff, 'unsupported bytes.integer-above-2^53'],
  ])('is refused: %s + %i = %i', (type, at, value, detail) => {
    expect(refusalOf(() => open(patched({ content }, type, at, value)))).toBe(detail);
  });

  it('is refused whose sections lead back, or out of the file', () => {
    for (const target of [13, 0, 0x7fff_ffff]) {
      const segments = buildEwf({ content });
      const first = segments[0]!;
      const [, sectors] = listEwfSections(first);
      first.writeUInt32LE(target, sectors!.offset + 16);
      repairEwfChecksums(first);
      expect(refusalOf(() => open(segments))).toBe('corrupt ewf.section-order');
    }
  });

  it('is refused where it was cut', () => {
    const [first] = buildEwf({ content, tablesPerSegment: 100 });
    expect(refusalOf(() => open([first!.subarray(0, 100)]))).toBe('corrupt ewf.section-order');
    expect(refusalOf(() => open([first!.subarray(0, first!.length - 1)]))).toBe(
      'corrupt ewf.truncated',
    );
    expect(refusalOf(() => open([first!.subarray(0, 20)]))).toBe('corrupt ewf.truncated');
  });

  it('is refused in its tables', () => {
    const counted = patched({ content }, 'table', 0, 0x4000_0000);
    const sections = listEwfSections(counted[0]!);
    const mirror = sections.find(({ type }) => type === 'table2')!;
    counted[0]!.writeUInt32LE(7, mirror.dataOffset);
    expect(refusalOf(() => open(counted))).toBe('corrupt ewf.table-header');
    const away = patched({ content }, 'table', 24, 0x7fff_0000);
    expect(refusalOf(() => readAll(open(away)))).toBe('corrupt ewf.chunk-place');
  });

  it('is one that goes on in a file that is not there, or is another one', () => {
    const segments = buildEwf({ content });
    expect(refusalOf(() => open(segments.slice(0, 1)))).toBe('not-found test.none');
    const [first, second, third] = segments as [Buffer, Buffer, Buffer];
    expect(refusalOf(() => open([first, third, second]))).toBe('corrupt ewf.segment-number');
    expect(refusalOf(() => open([second]))).toBe('invalid-argument ewf.not-first');
    const data = listEwfSections(second)[0]!;
    second[data.dataOffset + 64] = 1;
    repairEwfChecksums(second);
    expect(refusalOf(() => open(segments))).toBe('corrupt ewf.set');
  });

  it('is read as far as it goes where making it was not finished', () => {
    const segments = patched({ content }, 'volume', 16, 4000);
    const disk = open(segments);
    expect(disk.warnings.map(({ detail }) => detail)).toEqual(['ewf.incomplete']);
    const bytes = Buffer.alloc(23 * CHUNK);
    disk.readSync(bytes, 0);
    expect(bytes.equals(content.subarray(0, bytes.length))).toBe(true);
    expect(refusalOf(() => disk.readSync(bytes, 24 * CHUNK))).toBe('corrupt ewf.chunk-missing');
  });

  it.each([
    ['LVF\x09\x0d\x0a\xff\0', 'EWF-L01'],
    ['EVF2\x0d\x0a\x81\0', 'Ex01'],
    ['LEF2\x0d\x0a\x81\0', 'Lx01'],
  ])('is of another kind: %j', (signature, name) => {
    const bytes = Buffer.alloc(1000);
    bytes.write(signature, 'latin1');
    expect(() => open([bytes])).toThrow(name);
  });
});

describe('names of segments', () => {
  it.each([
    ['x.E01', 2, 'x.E02'],
    ['x.E01', 99, 'x.E99'],
    ['x.E01', 100, 'x.EAA'],
    ['x.E01', 126, 'x.EBA'],
    ['x.E01', 775, 'x.EZZ'],
    ['x.E01', 776, 'x.FAA'],
    ['x.e01', 100, 'x.eaa'],
    ['a.b.s01', 3, 'a.b.s03'],
    ['x.E01', 99 + 22 * 676, 'x.ZZZ'],
    ['x.E01', 100 + 22 * 676, undefined],
    ['x.raw', 2, undefined],
    ['x.E02', 2, undefined],
  ])('%s, %i: %s', (first, segment, name) => {
    expect(segmentName(first, segment)).toBe(name);
  });
});
