/** What zeros and discards do to tables and data files, beyond how they read. */
import { describe, expect, it } from 'vitest';
import { MemoryStorage, type DiskFile } from '@diskfile/core';
import { detailOf } from '@diskfile/testkit';
import { readAll } from '../support/open-image.ts';
import {
  createImage,
  type CreateOptions,
  ImageFiles,
  openWritable,
} from '../support/writable-image.ts';

const CLUSTER = 4096;
const SIZE_BYTES = 8 * CLUSTER;

async function kindsOf(disk: DiskFile): Promise<string[]> {
  const kinds: string[] = [];
  for await (const { lengthBytes, allocated, zero } of disk.blockStatus()) {
    const kind = zero ? (allocated ? 'zeros' : 'nothing') : 'data';
    for (let at = 0; at < lengthBytes; at += CLUSTER) kinds.push(kind);
  }
  return kinds;
}

function newDisk(options: CreateOptions = {}, files = new ImageFiles()): DiskFile {
  createImage(files, SIZE_BYTES, { cluster_size: CLUSTER, ...options });
  return openWritable(files);
}

describe('zeros for a part of a cluster', () => {
  it('make it a zero cluster where its rest reads as zeros', async () => {
    const disk = newDisk();
    disk.writeZeroesSync(100, CLUSTER);
    disk.writeZeroesSync(SIZE_BYTES - 10, 10);
    const nothing = Array.from({ length: 5 }, () => 'nothing');
    expect(await kindsOf(disk)).toEqual(['zeros', 'zeros', ...nothing, 'zeros']);
    disk.closeSync();
  });

  it('leave version 2 as it is', async () => {
    const disk = newDisk({ compat: '0.10' });
    disk.writeZeroesSync(100, CLUSTER);
    expect(await kindsOf(disk)).toEqual(Array.from({ length: 8 }, () => 'nothing'));
    disk.closeSync();
  });

  it('leave what lies around them', () => {
    const disk = newDisk();
    disk.writeSync(new Uint8Array(10).fill(7), 0);
    disk.writeZeroesSync(5, 100);
    const model = new Uint8Array(SIZE_BYTES).fill(7, 0, 5);
    expect(readAll(disk)).toEqual(model);
    disk.closeSync();
  });
});

describe('zeros by tables only', () => {
  it('fail where they would have to be written, with nothing changed there', () => {
    const disk = newDisk();
    const model = new Uint8Array(SIZE_BYTES).fill(7, 0, CLUSTER);
    disk.writeSync(model.subarray(0, CLUSTER), 0);
    const action = () => disk.writeZeroesSync(1, 10, { tablesOnly: true });
    expect(detailOf(action)).toBe('disk.zeros-need-data');
    expect(readAll(disk)).toEqual(model);
    disk.closeSync();
  });

  it('are made of whole clusters, and of parts of what is zeros', async () => {
    const disk = newDisk();
    disk.writeSync(new Uint8Array(CLUSTER).fill(7), 0);
    disk.writeZeroesSync(0, CLUSTER, { tablesOnly: true });
    await disk.writeZeroes(CLUSTER + 1, 10, { tablesOnly: true });
    expect((await kindsOf(disk)).slice(0, 3)).toEqual(['zeros', 'zeros', 'nothing']);
    expect(readAll(disk)).toEqual(new Uint8Array(SIZE_BYTES));
    disk.closeSync();
  });
});

describe('a data file', () => {
  it.each([
    ['is given back to the host', {}, [true, true, false]],
    ['that is raw is given back to the host', { data_file_raw: true }, [true, true, true]],
  ])('%s where the disk needs no data', async (_, options, cleared) => {
    const files = new ImageFiles();
    const disk = newDisk({ data_file: 'data', ...options }, files);
    disk.writeSync(new Uint8Array(4 * CLUSTER).fill(7), 0);
    disk.writeZeroesSync(0, CLUSTER);
    disk.discardSync(CLUSTER, CLUSTER);
    disk.writeZeroesSync(2 * CLUSTER, CLUSTER, { mayUnmap: false });
    const data = files.others.get('data') as MemoryStorage;
    const bytes = new Uint8Array(4 * CLUSTER);
    data.readSync(bytes, 0);
    const found = [0, 1, 2].map((at) => bytes[at * CLUSTER] === 0);
    expect(found).toEqual(cleared);
    expect(bytes[3 * CLUSTER]).toBe(7);
    const model = new Uint8Array(SIZE_BYTES).fill(7, 3 * CLUSTER, 4 * CLUSTER);
    expect(readAll(disk)).toEqual(model);
    expect((await kindsOf(disk)).slice(0, 4)).toEqual(['zeros', 'zeros', 'zeros', 'data']);
    disk.closeSync();
  });
});
