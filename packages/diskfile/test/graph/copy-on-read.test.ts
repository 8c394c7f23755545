import { MemoryStorage, type OpenGate, runSync } from '@diskfile/core';
import { qcow2Driver } from '@diskfile/qcow2';
import { expect, it } from 'vitest';
import { CopyOnReadDisk } from '../../src/graph/disks/copy-on-read-disk.ts';
import { openDiskFile } from '../../src/index.ts';

const SIZE = 4 * 65_536;

/** Answers asynchronous reads when it is let. */
class HeldStorage extends MemoryStorage {
  readonly waiting: (() => void)[] = [];

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.readSync(dst, offset);
  }
}

async function openOverlay(base: MemoryStorage): Promise<CopyOnReadDisk> {
  const image = new MemoryStorage();
  runSync(
    qcow2Driver.create!({
      storage: image,
      sizeBytes: SIZE,
      options: {},
      backing: { name: 'base', format: 'raw' },
      *createNamed() {
        throw new Error('there is no data file');
      },
    }),
  );
  const gate: OpenGate = {
    *open() {
      return base;
    },
  };
  return new CopyOnReadDisk(await openDiskFile(image, { format: 'qcow2', readOnly: false, gate }));
}

it('keeps a copy of what was read, and reads it below no more', async () => {
  const base = new MemoryStorage(new Uint8Array(SIZE).fill(7));
  const disk = await openOverlay(base);
  const bytes = new Uint8Array(100);
  await disk.read(bytes, 65_536 + 1000);
  expect(bytes).toEqual(new Uint8Array(100).fill(7));
  base.writeSync(new Uint8Array(SIZE).fill(8), 0);
  disk.readSync(bytes, 65_536);
  expect(bytes).toEqual(new Uint8Array(100).fill(7));
  const held = [...disk.blockStatusSync()].filter(({ depth }) => depth === 0);
  expect(held).toMatchObject([{ guestOffset: 65_536, lengthBytes: 65_536 }]);
  await disk.close();
});

it('undoes no write that is made while it copies', async () => {
  const base = new HeldStorage(new Uint8Array(SIZE).fill(7));
  const disk = await openOverlay(base);
  const reading = disk.read(new Uint8Array(100), 0);
  while (base.waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const writing = disk.write(new Uint8Array(65_536).fill(9), 0);
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  base.waiting.shift()!();
  await Promise.all([reading, writing]);
  const bytes = new Uint8Array(65_536);
  disk.readSync(bytes, 0);
  expect(Buffer.compare(bytes, new Uint8Array(65_536).fill(9))).toBe(0);
  await disk.close();
});
