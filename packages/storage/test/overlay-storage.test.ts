import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStorage, OverlayStorage } from '../src/index.ts';
import { dirty, equal, expectReads } from './support/model.ts';
import { pattern } from './support/temp.ts';
import { changesOf, expectChanges } from './support/writable-model.ts';

const BLOCK = 65536;

/** Memory that takes its time, so that work overlaps. */
class SlowMemory extends MemoryStorage {
  failing = false;

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await new Promise(setImmediate);
    this.readSync(dst, offset);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await new Promise(setImmediate);
    if (this.failing) throw new Error('top fails');
    this.writeSync(src, offset);
  }
}

describe('an overlay', () => {
  it('changes as plain bytes would change, and leaves its base as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(5 * BLOCK), changesOf(6 * BLOCK), async (sizeBytes, changes) => {
        const content = pattern(sizeBytes);
        const overlay = new OverlayStorage(new MemoryStorage(content.slice()));
        const base = new MemoryStorage(content.slice());
        const other = new OverlayStorage(base, new MemoryStorage());
        await expectChanges(overlay, content, changes);
        const model = await expectChanges(other, content, changes);
        await expectReads(other, model, { offset: BLOCK - 10, lengths: [20, BLOCK, 5] });
        expect(equal(base.bytes, content)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('takes space only for what was written, and gives it back', () => {
    const overlay = new OverlayStorage(new MemoryStorage(pattern(10 * BLOCK)));
    expect(overlay.allocatedBytes()).toBe(0);
    overlay.writeSync(dirty(2), BLOCK - 1);
    expect(overlay.allocatedBytes()).toBe(2 * BLOCK);
    overlay.punchHoleSync(0, BLOCK);
    expect(overlay.allocatedBytes()).toBe(BLOCK);
    overlay.truncateSync(0);
    expect(overlay.allocatedBytes()).toBe(0);
  });

  it('keeps parallel writes to one block apart', async () => {
    const content = pattern(BLOCK);
    const overlay = new OverlayStorage(new SlowMemory(content.slice()), new SlowMemory());
    const writes = Array.from({ length: 32 }, (_, index) => overlay.write(dirty(10), index * 100));
    expect(() => overlay.writeSync(dirty(1), 0)).toThrowError(
      expect.objectContaining({ code: 'busy' }),
    );
    await Promise.all(writes);
    const model = content.slice();
    for (const index of writes.keys()) model.set(dirty(10), index * 100);
    await expectReads(overlay, model, { offset: 0, lengths: [BLOCK] });
  });

  it('does not reuse space that a read still looks at', async () => {
    const top = new SlowMemory();
    const overlay = new OverlayStorage(new MemoryStorage(new Uint8Array(4 * BLOCK)), top);
    const old = new Uint8Array(BLOCK).fill(7);
    overlay.writeSync(old, 0);
    const seen = dirty(BLOCK);
    const reading = overlay.read(seen, 0);
    overlay.punchHoleSync(0, BLOCK);
    overlay.writeSync(new Uint8Array(BLOCK).fill(9), BLOCK);
    await reading;
    expect(equal(seen, old)).toBe(true);
    overlay.writeSync(dirty(1), 2 * BLOCK);
    expect(overlay.allocatedBytes()).toBe(top.sizeBytes);
  });

  it('goes on after a write that failed', async () => {
    const top = new SlowMemory();
    const content = pattern(BLOCK);
    const overlay = new OverlayStorage(new MemoryStorage(content.slice()), top);
    top.failing = true;
    await expect(overlay.write(dirty(5), 3)).rejects.toThrowError('top fails');
    await expectReads(overlay, content, { offset: 0, lengths: [BLOCK] });
    top.failing = false;
    await overlay.write(dirty(5), 3);
    const model = content.slice();
    model.set(dirty(5), 3);
    await expectReads(overlay, model, { offset: 0, lengths: [BLOCK] });
  });

  it('reads zeros in a gap, whatever a write that failed left there', () => {
    const top = new MemoryStorage();
    const overlay = new OverlayStorage(new MemoryStorage(pattern(BLOCK)), top);
    let writesLeft = 1;
    const write = top.writeSync.bind(top);
    top.writeSync = (src, offset) => {
      writesLeft -= 1;
      if (writesLeft < 0) throw new Error('top fails');
      write(src, offset);
    };
    expect(() => overlay.writeSync(dirty(2 * BLOCK), BLOCK)).toThrowError('top fails');
    writesLeft = Infinity;
    const { sizeBytes } = overlay;
    overlay.writeSync(dirty(1), 4 * BLOCK);
    const gap = new Uint8Array(4 * BLOCK - sizeBytes).fill(1);
    overlay.readSync(gap, sizeBytes);
    expect(gap.every((byte) => byte === 0)).toBe(true);
  });

  it.each(['close', 'closeSync'] as const)(
    'closes its base whatever its top says: %s',
    async (how) => {
      const closed: string[] = [];
      class Closing extends MemoryStorage {
        override closeSync(): void {
          closed.push(this.name);
          if (this.name === 'top') throw new Error('top fails');
        }

        override async close(): Promise<void> {
          this.closeSync();
        }
      }
      const none = new Uint8Array(0);
      const overlay = new OverlayStorage(new Closing(none, 'base'), new Closing(none, 'top'));
      await expect((async () => await overlay[how]())()).rejects.toThrowError('top fails');
      expect(closed).toEqual(['top', 'base']);
    },
  );
});
