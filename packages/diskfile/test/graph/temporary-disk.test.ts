import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  breakpointsOf,
  createDiskFileSync,
  openGraph,
  type OpenGraphOptions,
  openGraphSync,
  parseDiskName,
} from '../../src/index.ts';

const work = mkdtempSync(join(tmpdir(), 'diskfile-temporary-'));
afterAll(() => rmSync(work, { recursive: true }));
const path = (name: string): string => join(work, name);

const MIB = 1024 ** 2;
const flat = Buffer.alloc(4 * MIB, 'flat');
writeFileSync(path('flat.raw'), flat);
createDiskFileSync(path('over.qcow2'), {
  format: 'qcow2',
  sizeBytes: 4 * MIB,
  backing: { name: 'flat.raw', format: 'raw' },
});
const image = readFileSync(path('over.qcow2'));

const graphOf = (given: object) => parseDiskName(`json:${JSON.stringify(given)}`);
const RAW = { driver: 'raw', file: { driver: 'file', filename: path('flat.raw') } };
const QCOW2 = { driver: 'qcow2', file: { driver: 'file', filename: path('over.qcow2') } };
const WRITABLE: OpenGraphOptions = { temporary: true, readOnly: false };

describe('a temporary disk', () => {
  it('is a qcow2 overlay over the whole graph, and leaves the images as they are', async () => {
    for (const graph of [RAW, QCOW2]) {
      await using disk = await openGraph(graphOf(graph), WRITABLE);
      expect(disk.format).toBe('qcow2');
      expect(disk.info().map(({ format }) => format)).toEqual(
        graph === RAW ? ['qcow2', 'raw'] : ['qcow2', 'qcow2', 'raw'],
      );
      await Promise.all([
        disk.write(new Uint8Array(512).fill(1), 65536),
        disk.writeZeroes(MIB, 512),
      ]);
      const found = new Uint8Array(4 * MIB);
      await disk.read(found, 0);
      const expected = Buffer.from(flat)
        .fill(1, 65536, 66048)
        .fill(0, MIB, MIB + 512);
      expect(expected.equals(found)).toBe(true);
      const own = [...disk.blockStatusSync()].filter(({ depth, allocated }) => allocated && !depth);
      expect(own.map(({ guestOffset, lengthBytes }) => [guestOffset, lengthBytes])).toEqual([
        [65536, 65536],
        [MIB, 65536],
      ]);
    }
    expect(readFileSync(path('flat.raw')).equals(flat)).toBe(true);
    expect(readFileSync(path('over.qcow2')).equals(image)).toBe(true);
  });

  it('shows nothing of what lies below where something was given up', () => {
    using disk = openGraphSync(graphOf(RAW), WRITABLE);
    const found = new Uint8Array(65536);
    disk.writeSync(found.fill(1), 0);
    disk.discardSync(0, 131072);
    disk.readSync(found, 65536);
    expect(found.every((byte) => byte === 0)).toBe(true);
  });

  it('takes its own flags from the graph, and leaves the images to be read', () => {
    using fixed = openGraphSync(graphOf({ ...RAW, 'read-only': true }), WRITABLE);
    expect(fixed.readOnly).toBe(true);
    using shared = openGraphSync(graphOf({ ...RAW, 'force-share': true }), WRITABLE);
    expect(shared.readOnly).toBe(false);
    using keeping = openGraphSync(graphOf({ ...RAW, discard: 'ignore' }), WRITABLE);
    keeping.discardSync(0, 65536);
    const found = new Uint8Array(4);
    keeping.readSync(found, 0);
    expect(Buffer.from(found).toString()).toBe('flat');
  });

  it('takes no more memory than what is written, however large the disk is', () => {
    const graph = graphOf({ driver: 'null-co', size: '1T' });
    using disk = openGraphSync(graph, WRITABLE);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 64; i++) disk.writeSync(new Uint8Array(512).fill(7), i * 2 ** 33);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MIB);
    expect(disk.physicalSizeBytes()).toBeLessThan(16 * MIB);
  });

  it('copies on read into the overlay, and stops no requests of images below', () => {
    const graph = graphOf({ driver: 'blkdebug', image: RAW });
    using disk = openGraphSync(graph, { ...WRITABLE, copyOnRead: true });
    expect(breakpointsOf(disk)).toBeUndefined();
    disk.readSync(new Uint8Array(1), MIB);
    expect([...disk.blockStatusSync(MIB, 65536)]).toMatchObject([{ depth: 0, allocated: true }]);
  });
});
