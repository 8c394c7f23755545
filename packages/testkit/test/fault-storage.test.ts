import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { FaultStorage } from '../src/index.ts';

const bytes = (fill: number, length = 4) => new Uint8Array(length).fill(fill);
const fault = expect.objectContaining({ detail: 'test.fault' });

/** Every operation there is, each in both forms. */
function operations(storage: FaultStorage): Record<string, () => unknown> {
  return {
    readSync: () => storage.readSync(bytes(0), 0),
    read: () => storage.read(bytes(0), 0),
    readvSync: () => storage.readvSync([bytes(0)], 0),
    readv: () => storage.readv([bytes(0)], 0),
    writeSync: () => storage.writeSync(bytes(1), 0),
    write: () => storage.write(bytes(1), 0),
    flushSync: () => storage.flushSync(),
    flush: () => storage.flush(),
    truncateSync: () => storage.truncateSync(8),
    truncate: () => storage.truncate(8),
    punchHoleSync: () => storage.punchHoleSync(0, 1),
    punchHole: () => storage.punchHole(0, 1),
    allocateSync: () => storage.allocateSync(0, 8),
    allocate: () => storage.allocate(0, 8),
  };
}

describe('a storage with faults', () => {
  it('fails at exactly the operation that was planned, whichever that is', async () => {
    const names = Object.keys(operations(new FaultStorage(new MemoryStorage(), NONE)));
    for (const [planned] of names.entries()) {
      const plan = { failAt: planned + 1, errno: 'EIO' as const };
      const storage = new FaultStorage(new MemoryStorage(bytes(0)), plan);
      for (const [index, perform] of Object.values(operations(storage)).entries()) {
        const attempt = async () => perform();
        if (index === planned) {
          await expect(attempt()).rejects.toMatchObject({ code: 'io', detail: 'test.fault' });
        } else await attempt();
      }
      expect(storage).toMatchObject({ operations: names.length, faults: 1 });
    }
  });

  it('is only short of space where space is taken', async () => {
    const plan = { failAt: 1, errno: 'ENOSPC' as const, lasting: true };
    const storage = new FaultStorage(new MemoryStorage(bytes(0)), plan);
    const failed: string[] = [];
    for (const [name, perform] of Object.entries(operations(storage))) {
      await Promise.resolve()
        .then(perform)
        .catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'no-space', errno: 'ENOSPC' });
          failed.push(name);
        });
    }
    const taking = ['write', 'truncate', 'allocate'].flatMap((name) => [`${name}Sync`, name]);
    expect(failed).toEqual(taking);
  });

  it('goes on failing when that was planned, until it is healed', () => {
    const storage = new FaultStorage(new MemoryStorage(), { ...NONE, failAt: 2, lasting: true });
    storage.writeSync(bytes(1), 0);
    expect(() => storage.writeSync(bytes(2), 0)).toThrowError(fault);
    expect(() => storage.flushSync()).toThrowError(fault);
    storage.heal();
    storage.flushSync();
    storage.writeSync(bytes(3), 0);
    expect(storage.faults).toBe(2);
  });

  it('has written half of what it failed to write, up to the end of a sector', async () => {
    const inner = new MemoryStorage(bytes(0, 3072));
    const storage = new FaultStorage(inner, { failAt: 1, errno: 'EIO', lasting: true });
    expect(() => storage.writeSync(bytes(1, 1536), 0)).toThrowError(fault);
    await expect(storage.write(bytes(2, 1100), 1936)).rejects.toThrowError(fault);
    const expected = bytes(0, 3072);
    expected.fill(1, 0, 512);
    expected.fill(2, 1936, 2048);
    expect(Buffer.compare(inner.bytes, expected)).toBe(0);
  });
});

const NONE = { failAt: Infinity, errno: 'EIO' as const };
