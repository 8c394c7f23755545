import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  closedGate,
  createImageDisk,
  DEFAULT_LIMITS,
  type DiskFile,
  noDecoders,
  openChain,
  type Preallocation,
  runSync,
} from '@diskfile/core';
import { canFindHoles, openFileStorage } from '@diskfile/storage';
import { rawDriver } from '../src/index.ts';

const directory = fs.mkdtempSync(join(tmpdir(), 'diskfile-'));
afterAll(() => fs.rmSync(directory, { recursive: true }));

function qemuImg(...args: string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function open(path: string, writable = false): DiskFile {
  const chain = runSync(
    openChain(runSync(openFileStorage(path, { writable })), {
      drivers: [rawDriver],
      decoders: noDecoders,
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'raw',
      snapshot: undefined,
      writable,
      followBacking: true,
    }),
  );
  return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined });
}

interface MapEntry {
  start: number;
  length: number;
  zero: boolean;
  data: boolean;
  offset: number;
}

/** File sizes, and where a byte is written into them. */
const SHAPES: readonly (readonly [name: string, sizeBytes: number, writes: readonly number[]])[] = [
  ['one sector', 512, [0]],
  ['part of a sector', 1000, [0]],
  ['a hole at the start', 100_000, [99_999]],
  ['a hole at the end', 1_000_001, [0, 70_000]],
  ['all hole', 12_345, []],
  ['many pieces', 8_000_000, [0, 300_000, 1_000_000, 1_065_536, 7_999_999]],
  ['a terabyte', 2 ** 40, [2 ** 39]],
];

describe('compared with qemu-img', () => {
  it.each(SHAPES)('%s', (name, sizeBytes, writes) => {
    const path = join(directory, name.replaceAll(' ', '-'));
    const fd = fs.openSync(path, 'w');
    fs.ftruncateSync(fd, sizeBytes);
    for (const at of writes) fs.writeSync(fd, Uint8Array.of(1), 0, 1, at);
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    const disk = open(path);
    const info = JSON.parse(qemuImg('info', '-f', 'raw', '--output=json', path)) as {
      'virtual-size': number;
      'actual-size': number;
    };
    expect(disk.sizeBytes).toBe(info['virtual-size']);
    expect(disk.physicalSizeBytes()).toBe(info['actual-size']);

    expect(canFindHoles()).toBe(true);
    const map = JSON.parse(qemuImg('map', '-f', 'raw', '--output=json', path)) as MapEntry[];
    const statuses = [...disk.blockStatusSync()].map((status) => ({
      start: status.guestOffset,
      length: status.lengthBytes,
      zero: status.zero,
      data: status.data,
      offset: status.hostOffset,
    }));
    expect(statuses).toEqual(
      map.map(({ start, length, zero, data, offset }) => ({ start, length, zero, data, offset })),
    );
    disk.closeSync();
  });
});

describe('resized as qemu-img does it', () => {
  const STEPS: readonly (readonly [sizeBytes: number, preallocation: Preallocation])[] = [
    [1_000_448, 'off'],
    [2_000_384, 'falloc'],
    [2_500_608, 'full'],
    [300_032, 'off'],
    [300_544, 'full'],
    [4_000_256, 'off'],
    [512, 'off'],
  ];

  it.each([0, 512, 1000, 99_840])('from a file of %d bytes', (fileBytes) => {
    const [theirs, ours] = ['theirs', 'ours'].map((name) => join(directory, name));
    const content = Uint8Array.from({ length: fileBytes }, (_, at) => (at % 251) + 1);
    for (const path of [theirs!, ours!]) fs.writeFileSync(path, content);
    for (const [sizeBytes, preallocation] of STEPS) {
      const oldBytes = fs.statSync(theirs!).size;
      const shrink = sizeBytes < oldBytes;
      const flags = shrink ? ['--shrink'] : [`--preallocation=${preallocation}`];
      qemuImg('resize', '-q', '-f', 'raw', ...flags, theirs!, String(sizeBytes));
      using disk = open(ours!, true);
      disk.capabilities.resizing!.resizeSync(sizeBytes, { shrink, preallocation });
      expect(disk.sizeBytes).toBe(sizeBytes);
      expect(Buffer.compare(fs.readFileSync(ours!), fs.readFileSync(theirs!))).toBe(0);
      if (preallocation === 'off') continue;
      // Up to a block of the file system at each end.
      const taken = fs.statSync(ours!).blocks * 512;
      expect(taken).toBeGreaterThanOrEqual(sizeBytes - oldBytes - 8192);
    }
  });

  it('refuses what it refuses', () => {
    const path = join(directory, 'refused');
    fs.writeFileSync(path, new Uint8Array(4096));
    const resize = (sizeBytes: number, preallocation: Preallocation, shrink = true) => {
      using disk = open(path, true);
      disk.capabilities.resizing!.resizeSync(sizeBytes, { shrink, preallocation });
    };
    const cases: [string[], () => void][] = [
      [['--preallocation=metadata', path, '8192'], () => resize(8192, 'metadata')],
      [['--shrink', '--preallocation=full', path, '512'], () => resize(512, 'full')],
      [[path, '512'], () => resize(512, 'off', false)],
      [[path, '9E'], () => resize(9 * 2 ** 60, 'off')],
    ];
    for (const [args, body] of cases) {
      expect(() => qemuImg('resize', '-f', 'raw', ...args)).toThrow();
      expect(body).toThrowError(expect.objectContaining({ code: 'invalid-argument' }));
      expect(fs.statSync(path).size).toBe(4096);
    }
  });
});
