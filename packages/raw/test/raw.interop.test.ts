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
  openChain,
  runSync,
} from '@diskfile/core';
import { canFindHoles, openFileStorage } from '@diskfile/storage';
import { rawDriver } from '../src/index.ts';

const directory = fs.mkdtempSync(join(tmpdir(), 'diskfile-'));
afterAll(() => fs.rmSync(directory, { recursive: true }));

function qemuImg(...args: string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8' });
}

function open(path: string): DiskFile {
  const chain = runSync(
    openChain(runSync(openFileStorage(path)), {
      drivers: [rawDriver],
      decoders: {
        load: () => {
          throw new Error('no decoders here');
        },
      },
      gate: closedGate,
      limits: DEFAULT_LIMITS,
      format: 'raw',
      snapshot: undefined,
      writable: false,
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
