/** Images that are written as QEMU does it use what was given up again before a flush was asked for. */
import { MemoryStorage } from '@diskfile/core';
import { describe, expect, it } from 'vitest';
import { contentOf } from '../support/content.ts';
import { verifyImage } from '../support/verify-image.ts';
import { createImage, ImageFiles, openWritable } from '../support/writable-image.ts';

const CLUSTER = 4096;

/** Reads of guest data that end when they are told to. */
class SlowHost extends MemoryStorage {
  waits: Promise<void> | undefined;

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await this.waits;
    this.readSync(dst, offset);
  }
}

function filled(asQemu: boolean, host = new SlowHost()) {
  const files = createImage(new ImageFiles(host), 2 ** 20, { cluster_size: CLUSTER });
  const disk = openWritable(files, { asQemu });
  disk.writeSync(contentOf(1, 8 * CLUSTER), 0);
  return { files, disk, host };
}

describe('space that was given up', () => {
  it.each([
    [true, 0],
    [false, 4],
  ])('is used at once, as QEMU: %s', (asQemu, more) => {
    const { files, disk } = filled(asQemu);
    const before = files.image.sizeBytes;
    disk.discardSync(0, 4 * CLUSTER);
    disk.writeSync(contentOf(2, 4 * CLUSTER), 20 * CLUSTER);
    expect(files.image.sizeBytes).toBe(before + more * CLUSTER);
    disk.closeSync();
    expect(verifyImage(files.imageBytes).errors).toEqual([]);
  });

  it('costs no flush where no search meets it', () => {
    class CountingHost extends SlowHost {
      flushes = 0;

      override flushSync(): void {
        this.flushes += 1;
      }
    }
    const host = new CountingHost();
    const { disk } = filled(true, host);
    disk.flushSync();
    host.flushes = 0;
    disk.discardSync(0, CLUSTER);
    disk.writeSync(contentOf(2, 4 * CLUSTER), 20 * CLUSTER);
    expect(host.flushes).toBe(0);
    disk.writeSync(contentOf(3, CLUSTER), 4 * CLUSTER);
    expect(host.flushes).toBe(0);
  });

  it('is left alone while somebody reads it', async () => {
    const { files, disk, host } = filled(true);
    let end = () => {};
    host.waits = new Promise((resolve) => (end = resolve));
    const read = new Uint8Array(CLUSTER);
    const reading = disk.read(read, 0);
    disk.discardSync(0, 4 * CLUSTER);
    disk.writeSync(contentOf(2, 4 * CLUSTER), 20 * CLUSTER);
    end();
    await reading;
    expect(read).toEqual(contentOf(1, CLUSTER));
    disk.closeSync();
    expect(verifyImage(files.imageBytes).errors).toEqual([]);
  });
});
