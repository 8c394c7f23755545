/** Decoders of our own against what the genuine programs encode, over their options. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { haveTools } from '@diskfile/testkit';
import { makeDecoders } from '../src/index.ts';
import { WideWindowEngine } from '../src/zstd-decoder/wide-window.ts';
import { ZstdStream } from '../src/zstd-stream.ts';
import { everyDecoder, outcome } from './support/decoding.ts';
import { decodeInPieces } from './support/streaming.ts';

const MIB = 1024 * 1024;

/** Text, noise, runs, and copies from near and far. */
const CONTENT = makeContent(3 * MIB + 77);

function makeContent(lengthBytes: number): Buffer {
  const content = Buffer.alloc(lengthBytes);
  let state = 1;
  for (let at = 0; at < lengthBytes;) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const runBytes = 1 + ((state >>> 8) % 3000);
    const end = Math.min(lengthBytes, at + runBytes);
    const kind = state >>> 30;
    if (kind === 0) content.fill(state & 0xff, at, end);
    else if (kind === 1 && at > 0) content.copyWithin(at, (state >>> 4) % at, end);
    else if (kind === 2) content.fill(`record ${state % 1000}: value ${state % 77}\n`, at, end);
    else for (let index = at; index < end; index++) content[index] = Math.imul(index, state) >>> 24;
    at = end;
  }
  return content;
}

function encode(program: string, options: readonly string[], content: Buffer): Uint8Array {
  const { stdout, status } = spawnSync(program, ['-c', ...options], {
    input: content,
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`${program} ${options.join(' ')} fails`);
  return stdout;
}

async function check(id: 'xz' | 'bzip2', options: readonly string[]): Promise<void> {
  const [[, decoder]] = (await everyDecoder(id)) as [Awaited<ReturnType<typeof everyDecoder>>[0]];
  for (const content of [CONTENT, CONTENT.subarray(0, 1), Buffer.alloc(2 * MIB + 1, 0xaa)]) {
    const decoded = outcome(decoder, encode(id, options, content), content.length);
    expect(Buffer.from(decoded as Uint8Array).equals(content)).toBe(true);
  }
}

describe.skipIf(!haveTools('xz'))('xz as the program writes it', () => {
  it.each([
    '-0',
    '-6 --check=sha256',
    '-9e --check=crc32',
    '-T2 --block-size=300000 -3',
    '--lzma2=preset=6,lc=0,lp=4,pb=4',
    '--lzma2=preset=6,lc=4,lp=0,pb=0 --check=none',
    '--lzma2=preset=4,dict=4KiB,nice=273,mf=bt2',
    ...['x86', 'ia64', 'powerpc', 'arm', 'armthumb', 'sparc', 'arm64'].map(
      (machine) => `--${machine} --lzma2=preset=1`,
    ),
    '--delta=dist=256 --lzma2=preset=1 --block-size=300000',
    '--x86=start=65536 --delta=dist=3 --arm --lzma2=preset=1',
  ])('%s', async (options) => await check('xz', options.split(' ')));
});

describe.skipIf(!haveTools('xz'))('xz in pieces', () => {
  it.each(['--lzma2=preset=1,dict=64KiB', '-1 --block-size=3MiB --check=sha256', '-6'])(
    'goes on where it was left: %s',
    (options) => {
      // Longer than a small dictionary and the room behind it.
      const content = Buffer.concat([CONTENT, CONTENT, CONTENT]);
      const encoded = encode('xz', options.split(' '), content);
      const codec = runSync(makeDecoders().loadStream('xz'));
      const { bytes, places } = decodeInPieces(runSync(codec.start()), encoded, 100_000, MIB);
      expect(bytes.equals(content)).toBe(true);
      for (const place of [places[3]!, places.at(-3)!]) {
        const rest = encoded.subarray(place.takenBytes);
        const tail = decodeInPieces(runSync(codec.start(place.checkpoint)), rest, 1_000_000, MIB);
        expect(tail.bytes.equals(content.subarray(place.filledBytes))).toBe(true);
      }
    },
  );
});

describe.skipIf(!haveTools('bzip2'))('bzip2 as the program writes it', () => {
  it.each(['-1', '-5', '-9'])('%s', async (option) => await check('bzip2', [option]));
});

describe.skipIf(!haveTools('zstd'))('zstd as the program writes it', () => {
  const far = Buffer.concat([CONTENT, Buffer.alloc(20 * MIB), CONTENT]);

  it.each([
    ['-1', CONTENT],
    ['-3 --no-check', CONTENT],
    ['-9', CONTENT],
    ['--ultra -22', CONTENT],
    ['--fast=5', CONTENT],
    ['-19 --long=27', far],
    ['--long=24 -1', far],
    ['-5', Buffer.alloc(3 * MIB, 1)],
    ['-5', CONTENT.subarray(0, 5)],
    ['-5', Buffer.alloc(0)],
  ])('is decoded by code of our own: %s', (options, content) => {
    const encoded = encode('zstd', options.split(' '), content);
    const stream = new ZstdStream(new WideWindowEngine(2 ** 27));
    const { bytes, takenBytes } = decodeInPieces(stream, encoded, 100_000, MIB);
    expect(bytes.equals(content)).toBe(true);
    expect(takenBytes).toBe(encoded.length);
  });
});
