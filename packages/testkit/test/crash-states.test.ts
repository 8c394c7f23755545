import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '@diskfile/core';
import { CrashLog, type CrashState, crashStates, RecordingStorage } from '../src/index.ts';

const SECTOR = 512;

/** Sectors full of the given bytes. */
function sectors(...fills: number[]): Uint8Array {
  return Uint8Array.from(fills.flatMap((fill) => Array.from({ length: SECTOR }, () => fill)));
}

/** The first bytes of the sectors of the first file, `.` for what is torn within. */
function shown({ storages }: CrashState): string {
  const { bytes } = storages[0]!;
  const runs: string[] = [];
  for (let at = 0; at < bytes.length; at += SECTOR) {
    const sector = bytes.subarray(at, at + SECTOR);
    runs.push(sector.every((byte) => byte === sector[0]) ? String(sector[0]) : '.');
  }
  return runs.join('');
}

function statesAt(log: CrashLog, point: number, statesPerPoint = 1000): string[] {
  const states = [...crashStates(log, { statesPerPoint, seed: 1, points: [point] })];
  return [...new Set(states.map(shown))].toSorted();
}

function recorded(initial: Uint8Array): { log: CrashLog; storage: RecordingStorage } {
  const log = new CrashLog();
  return { log, storage: new RecordingStorage(new MemoryStorage(initial.slice()), log) };
}

describe('the states that a crash can leave', () => {
  it('have every subset of the sectors written since the last flush, and all from before it', () => {
    const { log, storage } = recorded(sectors(0, 0, 0));
    storage.writeSync(sectors(1), 0);
    storage.flushSync();
    storage.writeSync(sectors(2, 3), SECTOR);
    expect(log.now).toBe(3);
    expect(statesAt(log, 0)).toEqual(['000']);
    expect(statesAt(log, 1)).toEqual(['000', '100']);
    expect(statesAt(log, 2)).toEqual(['100']);
    expect(statesAt(log, 3)).toEqual(['100', '103', '120', '123']);
  });

  it('hold one of the versions of a sector that was written several times, never a mixture', () => {
    const { log, storage } = recorded(sectors(0));
    storage.writeSync(sectors(1), 0);
    storage.writeSync(new Uint8Array(256).fill(2), 256);
    storage.writeSync(new Uint8Array(256).fill(2), 0);
    expect(statesAt(log, log.now)).toEqual(['.', '0', '1', '2']);
  });

  it('need not have what a flush did not cover: begun too early, failed, or of another file', async () => {
    const log = new CrashLog();
    const inner = new MemoryStorage(sectors(0, 0));
    let finish = (): void => {};
    inner.flush = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const storage = new RecordingStorage(inner, log);
    const other = new RecordingStorage(new MemoryStorage(sectors(0)), log);
    storage.writeSync(sectors(1), 0);
    other.flushSync();
    const flushing = storage.flush();
    storage.writeSync(sectors(2), SECTOR);
    expect(statesAt(log, log.now)).toEqual(['00', '02', '10', '12']);
    finish();
    await flushing;
    expect(statesAt(log, log.now)).toEqual(['10', '12']);
    inner.flushSync = () => {
      throw new Error('no');
    };
    expect(() => storage.flushSync()).toThrowError('no');
    expect(statesAt(log, log.now)).toEqual(['10', '12']);
  });

  it('need not have a write that had not returned when the flush began', async () => {
    const { log, storage } = recorded(sectors(0));
    const inner = storage.inner as MemoryStorage;
    let finish = (): void => {};
    inner.write = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const writing = storage.write(sectors(1), 0);
    storage.flushSync();
    expect(statesAt(log, log.now)).toEqual(['0', '1']);
    finish();
    await writing;
    storage.flushSync();
    expect(statesAt(log, log.now)).toEqual(['1']);
  });

  it('differ in size where that changed, and where holes were punched', () => {
    const { log, storage } = recorded(sectors(1, 2));
    storage.truncateSync(SECTOR);
    storage.writeSync(sectors(3), SECTOR * 2);
    storage.punchHoleSync(0, SECTOR);
    const expected = ['0', '003', '02', '023', '1', '103', '12', '123'];
    expect(statesAt(log, log.now)).toEqual(expected);
    storage.flushSync();
    expect(statesAt(log, log.now)).toEqual(['003']);
    storage.allocateSync(0, SECTOR * 4);
    expect(statesAt(log, log.now)).toEqual(['003', '0030']);
  });

  it('hold whole sectors at the end of a file too', () => {
    const { log, storage } = recorded(new Uint8Array(100).fill(1));
    storage.writeSync(sectors(2), 0);
    storage.punchHoleSync(0, SECTOR);
    const states = [...crashStates(log, { statesPerPoint: 40, seed: 1, points: [log.now] })];
    expect(new Set(states.map(shown))).toEqual(new Set(['1', '2', '0']));
    storage.truncateSync(50);
    storage.writeSync(Uint8Array.of(3), 0);
    for (const state of crashStates(log, { statesPerPoint: 200, seed: 1, points: [log.now] })) {
      const { bytes } = state.storages[0]!;
      expect([0, 1, 2, 3]).toContain(bytes[0]);
      if (bytes[0] === 3) expect(bytes.subarray(1).every((byte) => byte === 0)).toBe(true);
    }
  });

  it('know nothing of what the host could not do', async () => {
    const { log, storage } = recorded(sectors(1));
    const inner = storage.inner as MemoryStorage;
    inner.punchHoleSync = () => false;
    inner.allocate = async () => false;
    expect(storage.punchHoleSync(0, SECTOR)).toBe(false);
    expect(await storage.allocate(0, SECTOR * 9)).toBe(false);
    expect(statesAt(log, log.now)).toEqual(['1']);
  });

  it('are the same for the same seed, others for another, and as many as asked for', async () => {
    const { log, storage } = recorded(new Uint8Array(0));
    for (let index = 0; index < 40; index++) {
      const write = sectors(index + 1, index + 2, index + 3);
      const offset = ((index * 7) % 20) * SECTOR;
      if (index % 2 === 0) storage.writeSync(write, offset);
      else await storage.write(write, offset);
    }
    const make = (seed: number) =>
      [...crashStates(log, { statesPerPoint: 60, seed, points: [log.now] })].map(shown);
    const states = make(1);
    expect(states).toHaveLength(60);
    expect(make(1)).toEqual(states);
    expect(make(2)).not.toEqual(states);
    expect(new Set(states).size).toBeGreaterThan(50);
    // Nothing, and everything, are always among them.
    expect(states).toContain('');
    expect(states).toContain(shown({ storages: [storage.inner as MemoryStorage] } as never));
    expect(states.join('')).not.toContain('.');
  });

  it('come from storages that read as what they wrap', async () => {
    const { storage } = recorded(sectors(1, 2));
    const bytes = new Uint8Array(4);
    storage.readSync(bytes, SECTOR);
    expect([...bytes]).toEqual([2, 2, 2, 2]);
    await storage.truncate(4);
    await storage.punchHole(0, 2);
    await storage.readv([bytes.subarray(0, 2), bytes.subarray(2)], 0);
    expect([...bytes]).toEqual([0, 0, 1, 1]);
    expect(storage.sizeBytes).toBe(4);
    await storage.close();
  });
});
