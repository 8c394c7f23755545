/** Raw disks are the simplest to lose nothing of: what was flushed is there after any crash. */
import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { openDiskFileSync } from 'diskfile';
import { CrashLog, crashStates, FaultStorage, Random, RecordingStorage } from '../src/index.ts';

const SECTORS = 40;
const SECTOR = 512;
const OPERATIONS = 30;
/** Sectors by what they are filled with. */
const FILLED = Array.from({ length: OPERATIONS + 1 }, (_, value) =>
  new Uint8Array(SECTOR).fill(value),
);

/** Contents of the disk that a crash may show, sector by sector. */
interface Promised {
  /** Time from which on this holds. */
  readonly point: number;
  readonly possible: readonly (readonly number[])[];
}

/** Random writes, some of them flushed; what may be read if the power goes after each. */
async function workload(seed: number): Promise<{ log: CrashLog; promised: Promised[] }> {
  const random = new Random(seed);
  const log = new CrashLog();
  const inner = new MemoryStorage(new Uint8Array(SECTORS * SECTOR - 100));
  const disk = openDiskFileSync(new RecordingStorage(inner, log), {
    format: 'raw',
    readOnly: false,
  });
  let possible = Array.from({ length: SECTORS }, () => [0]);
  const promised: Promised[] = [{ point: 0, possible }];
  for (let index = 1; index <= OPERATIONS; index++) {
    const guestOffset = random.below(SECTORS) * SECTOR;
    const lengthBytes = Math.min(1 + random.below(8), SECTORS - guestOffset / SECTOR) * SECTOR;
    const kind = random.below(4);
    const isSync = random.below(2) === 0;
    const fill = kind === 1 ? 0 : index;
    const start = log.now;
    if (kind === 0) {
      if (isSync) disk.flushSync();
      else await disk.flush();
      possible = possible.map((values) => values.slice(-1));
      promised.push({ point: log.now, possible });
      continue;
    }
    possible = possible.map((values, sector) => {
      const at = sector * SECTOR;
      return at >= guestOffset && at < guestOffset + lengthBytes ? [...values, fill] : values;
    });
    promised.push({ point: start + 1, possible });
    if (kind === 1) {
      if (isSync) disk.writeZeroesSync(guestOffset, lengthBytes);
      else await disk.writeZeroes(guestOffset, lengthBytes);
    } else {
      const src = new Uint8Array(lengthBytes).fill(fill);
      if (isSync) disk.writeSync(src, guestOffset);
      else await disk.write(src, guestOffset);
    }
  }
  return { log, promised };
}

/** How many states were tried. */
async function tryCrashes(seed: number): Promise<number> {
  const { log, promised } = await workload(seed);
  let states = 0;
  for (const { point, storages, description } of crashStates(log, { statesPerPoint: 50, seed })) {
    const { possible } = promised.findLast((promise) => promise.point <= point)!;
    const disk = openDiskFileSync(storages[0]!, { format: 'raw' });
    const sector = new Uint8Array(SECTOR);
    for (const [index, values] of possible.entries()) {
      disk.readSync(sector, index * SECTOR);
      if (!values.some((value) => Buffer.compare(sector, FILLED[value]!) === 0)) {
        expect.fail(`${description}: sector ${index} has ${sector[0]}, not one of ${values}`);
      }
    }
    states += 1;
  }
  return states;
}

describe('a raw disk', () => {
  it('keeps all that was flushed, and of the rest old or new, whenever the power goes', async () => {
    let states = 0;
    for (let seed = 1; seed <= 10; seed++) states += await tryCrashes(seed);
    expect(states).toBeGreaterThan(2000);
  });

  it('keeps all that was flushed when any operation of its host fails', () => {
    for (const errno of ['EIO', 'ENOSPC'] as const) {
      for (let failAt = 1; failAt <= 12; failAt++) {
        const storage = new FaultStorage(new MemoryStorage(new Uint8Array(SECTOR)), {
          failAt,
          errno,
        });
        const disk = openDiskFileSync(storage, { format: 'raw', readOnly: false });
        let flushed = 0;
        let failures = 0;
        for (let value = 1; value <= 6; value++) {
          try {
            disk.writeSync(new Uint8Array(SECTOR).fill(value), 0);
            disk.flushSync();
            flushed = value;
          } catch (error) {
            expect(error).toMatchObject({ detail: 'test.fault' });
            failures += 1;
          }
          const sector = new Uint8Array(SECTOR);
          storage.inner.readSync(sector, 0);
          expect(sector.every((byte) => byte === flushed || byte === value)).toBe(true);
        }
        const expected = errno === 'EIO' || failAt <= 6 ? 1 : 0;
        expect([failures, storage.faults]).toEqual([expected, expected]);
      }
    }
  });
});
