/** Conversions whose target cannot be written: what is told of it. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskError } from '@diskfile/bytes';
import { type FormatDriver, isWritable } from '@diskfile/core';
import { StorageWrapper } from '@diskfile/storage';
import {
  ALL_FORMATS,
  convertDiskFile,
  convertDiskFileSync,
  createDiskFileSync,
  openDiskFileSync,
} from 'diskfile';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf } from '../support/workers.ts';

const MIB = 2 ** 20;
const DATA_OFFSET = 40 * MIB;
const folder = mkdtempSync(join(tmpdir(), 'diskfile-convert-failures-'));
const file = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  createDiskFileSync(file('source'), { format: 'qcow2', sizeBytes: 64 * MIB });
  using disk = openDiskFileSync(file('source'), { readOnly: false });
  disk.writeSync(new Uint8Array(65_536).fill(1), 0);
  disk.writeSync(new Uint8Array(65_536).fill(2), DATA_OFFSET);
});

/** A file on a host that is full: data of the disk finds no place, and nothing can be written after that. */
class FullStorage extends StorageWrapper {
  #isFull = false;

  #refuse(src: Uint8Array, offset: number): void {
    this.#isFull ||= src.includes(2);
    if (!this.#isFull) return;
    throw new DiskError('no-space', 'test.full', 'There is no space', { op: 'write', offset });
  }

  override writeSync(src: Uint8Array, offset: number): void {
    this.#refuse(src, offset);
    super.writeSync(src, offset);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    this.#refuse(src, offset);
    await super.write(src, offset);
  }
}

function full(id: string): FormatDriver {
  const driver = ALL_FORMATS.find((each) => each.id === id)!;
  return {
    ...driver,
    *open(context) {
      const { storage } = context;
      if (!isWritable(storage)) throw new Error('assertion failed: it is made');
      return yield* driver.open({ ...context, storage: new FullStorage(storage) });
    },
  };
}

describe('a target that cannot be written', () => {
  const target = { request: 'write', guestOffset: DATA_OFFSET };
  const options = (format: string) => {
    return { format, formats: [full(format)], source: { formats: ALL_FORMATS }, overwrite: true };
  };

  it.each(['raw', 'vdi'])('is told of by the place on the disk: %s', async (format) => {
    const work = convertDiskFile(file('source'), file('new'), { ...options(format), workers: 0 });
    const { detail, context } = await failureOf(work);
    expect(detail).toBe('test.full');
    expect(context).toMatchObject(target);
    const sync = (): unknown => convertDiskFileSync(file('source'), file('new'), options(format));
    expect(sync).toThrow(expect.objectContaining({ context: expect.objectContaining(target) }));
    expect(readdirSync(folder)).toEqual(['source']);
  });

  it('is told of by that, and not by what closing it comes to', async () => {
    createDiskFileSync(file('there'), { format: 'qcow2', sizeBytes: 64 * MIB });
    const into = { ...options('qcow2'), intoExisting: true, workers: 0 };
    for (const name of ['new', 'there']) {
      const how = name === 'new' ? options('qcow2') : into;
      const { detail, context } = await failureOf(convertDiskFile(file('source'), file(name), how));
      expect(detail).toBe('test.full');
      expect(context.request).toBe('write');
    }
  });
});
