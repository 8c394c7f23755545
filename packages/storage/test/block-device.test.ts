import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSync } from '@diskfile/core';
import { blockDeviceSize, deviceName } from '../src/block-device.ts';
import { nodeHostFiles } from '../src/host-files.ts';
import { bothWays } from './support/drivers.ts';
import { tempDirectory } from './support/temp.ts';

const directory = tempDirectory();

/** A file stands in for the device: like one, it reads as nothing behind its end. */
async function sizeOf(lengthBytes: number, sysfs: string): Promise<number[]> {
  const path = join(directory, 'device');
  fs.writeFileSync(path, '');
  fs.truncateSync(path, lengthBytes);
  const fd = fs.openSync(path, 'r');
  try {
    const device = { fd, path, deviceNumber: 0x801 };
    return await bothWays(() => blockDeviceSize(device, sysfs));
  } finally {
    fs.closeSync(fd);
  }
}

describe('the size of a block device', () => {
  it('is what sysfs lists', async () => {
    const entry = join(directory, 'sys/dev/block/8:1');
    fs.mkdirSync(entry, { recursive: true });
    fs.writeFileSync(join(entry, 'size'), '8388608\n');
    expect(await sizeOf(512, join(directory, 'sys'))).toEqual([2 ** 32, 2 ** 32]);
  });

  it('is where reading stops when there is no sysfs', async () => {
    const sectors = fc.oneof(fc.nat(10), fc.nat(2 ** 33));
    await fc.assert(
      fc.asyncProperty(sectors, async (count) => {
        expect(await sizeOf(count * 512, join(directory, 'none'))).toEqual([
          count * 512,
          count * 512,
        ]);
      }),
      { numRuns: 30 },
    );
  });
});

describe('device numbers', () => {
  // Pairs of makedev(3) on Linux.
  it.each([
    [0x801, '8:1'],
    [0x700, '7:0'],
    [0x1_0301, '259:1'],
    [0xf_ffff, '4095:255'],
    [0x12_3450_0812, '8:19088658'],
    [0x1000_0003_8807, '5000:7'],
  ])('%i is %s', (packed, name) => {
    expect(deviceName(packed)).toBe(name);
  });
});

it('is one device under each of its nodes', (context) => {
  const identities = [
    ['first', '250'],
    ['second', '250'],
    ['other', '251'],
  ].map(([name, minor]) => {
    const path = join(directory, name!);
    try {
      execFileSync('mknod', [path, 'b', '7', minor!], { stdio: 'ignore' });
    } catch {
      return context.skip();
    }
    return runSync(nodeHostFiles.status(path)).identity;
  });
  expect(identities[1]).toBe(identities[0]);
  expect(identities[2]).not.toBe(identities[0]);
});
