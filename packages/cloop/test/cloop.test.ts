import { describe, expect, it } from 'vitest';
import { makeDecoders } from '@diskfile/codec';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  type Limits,
  MemoryStorage,
  openChain,
  runSync,
} from '@diskfile/core';
import { buildCloop, refusalOf } from '@diskfile/testkit';
import { cloopDriver } from '../src/index.ts';

const BLOCK = 4096;
const content = Buffer.alloc(5 * BLOCK).map((_, at) => Math.imul(at, at) >>> 8);

function open(image: Uint8Array, limits: Partial<Limits> = {}): DiskFile {
  const chain = runSync(
    openChain(new MemoryStorage(image, 'disk.cloop'), {
      drivers: [cloopDriver],
      decoders: makeDecoders(),
      gate: closedGate,
      limits: { ...DEFAULT_LIMITS, ...limits },
      format: 'cloop',
      snapshot: undefined,
      writable: false,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

function patched(patch: (image: Buffer) => void): Buffer {
  const image = buildCloop(content, BLOCK);
  patch(image);
  return image;
}

describe('a cloop image', () => {
  it('reads, whole and in parts', () => {
    const disk = open(buildCloop(content, BLOCK));
    const bytes = Buffer.alloc(content.length);
    disk.readSync(bytes, 0);
    expect(bytes.equals(content)).toBe(true);
    const part = Buffer.alloc(700);
    disk.readSync(part, 2 * BLOCK - 300);
    expect(part.equals(content.subarray(2 * BLOCK - 300, 2 * BLOCK + 400))).toBe(true);
    expect(disk.info()[0]!.details).toEqual({ version: '2.0', blockBytes: BLOCK, blocks: 5 });
  });

  it('is recognised by its script', () => {
    const probe = (head: Uint8Array) =>
      cloopDriver.probe({ head, tail: head, sizeBytes: head.length });
    expect(probe(buildCloop(content, BLOCK))).toBe('yes');
    expect(probe(Buffer.from('#!/bin/sh\n#V3.0 Format\n'))).toBe('yes');
    expect(probe(Buffer.from('#!/bin/sh\n# a script of another kind\n'))).toBe('no');
    expect(probe(new Uint8Array(0))).toBe('no');
  });

  it.each<[string, (image: Buffer) => void, string]>([
    ['version', (image) => image.write('3', 12), 'unsupported cloop.version'],
    ['beginning', (image) => image.write('x', 0), 'corrupt cloop.magic'],
    ['block size', (image) => image.writeUInt32BE(100, 128), 'corrupt cloop.block-size'],
    ['block size of zero', (image) => image.writeUInt32BE(0, 128), 'corrupt cloop.block-size'],
    ['huge block size', (image) => image.writeUInt32BE(2 ** 31, 128), 'corrupt cloop.block-size'],
    ['count of blocks', (image) => image.writeUInt32BE(100_000, 132), 'corrupt cloop.table'],
    ['huge count', (image) => image.writeUInt32BE(2 ** 31, 132), 'corrupt cloop.block-count'],
    ['huge table', (image) => image.writeUInt32BE(2 ** 26, 132), 'limit cloop.table-size'],
    ['order of blocks', (image) => image.writeBigUInt64BE(1n, 144), 'corrupt cloop.block-order'],
    [
      'length of a block',
      (image) => image.writeBigUInt64BE(2n ** 64n - 1n, 144),
      'corrupt cloop.block-length',
    ],
  ])('is refused for another %s', (_, patch, expected) => {
    expect(refusalOf(() => open(patched(patch)))).toBe(expected);
  });

  it('refuses a block that ends past the end where it is read, and nothing else', () => {
    const end = 2n ** 20n;
    const disk = open(
      patched((image) => {
        for (let entry = 4; entry <= 5; entry++) image.writeBigUInt64BE(end, 136 + 8 * entry);
      }),
    );
    const expected = 'corrupt cloop.block-place';
    expect(refusalOf(() => disk.readSync(new Uint8Array(1), 3 * BLOCK))).toBe(expected);
    const bytes = Buffer.alloc(BLOCK);
    disk.readSync(bytes, 2 * BLOCK);
    expect(bytes.equals(content.subarray(2 * BLOCK, 3 * BLOCK))).toBe(true);
  });

  it('is refused when its table would take more memory than it may', () => {
    const image = buildCloop(content, BLOCK);
    expect(refusalOf(() => open(image, { metadataCacheBytes: 40 }))).toBe('limit cloop.table-size');
  });
});
