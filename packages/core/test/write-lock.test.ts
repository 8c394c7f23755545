import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Hold, type LockRange, WHOLE_DISK, WriteLock } from '../src/engine/write-lock.ts';
import { runAsync, runSync } from '../src/index.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Requests by name: which of them hold the lock by now, in the order in which they got it. */
class Requests {
  readonly lock = new WriteLock();
  readonly granted: string[] = [];
  readonly #holds = new Map<string, Hold>();

  ask(name: string, start: number, end: number): void {
    void this.#ask(name, { start, end });
  }

  askAll(name: string): void {
    void this.#ask(name, WHOLE_DISK);
  }

  async #ask(name: string, range: LockRange): Promise<void> {
    this.#holds.set(name, await runAsync(this.lock.hold(range)));
    this.granted.push(name);
  }

  reserve(name: string, start: number, end: number): void {
    this.#holds.set(name, this.lock.reserve({ start, end }));
  }

  /** Asks with what was reserved for its turn. */
  enter(name: string): void {
    void runAsync(this.lock.enter(this.#holds.get(name)!)).then(() => this.granted.push(name));
  }

  async stepBack(name: string): Promise<void> {
    this.granted.splice(this.granted.indexOf(name), 1);
    this.lock.stepBack(this.#holds.get(name)!);
    await settle();
  }

  widen(name: string): void {
    this.granted.splice(this.granted.indexOf(name), 1);
    void runAsync(this.lock.widen(this.#holds.get(name)!)).then(() => this.granted.push(name));
  }

  async release(name: string): Promise<void> {
    this.lock.release(this.#holds.get(name)!);
    await settle();
  }
}

describe('the write lock', () => {
  it('lets ranges apart run side by side, and overlapping ones in their order', async () => {
    const requests = new Requests();
    requests.ask('a', 0, 10);
    requests.ask('b', 10, 20);
    requests.ask('c', 5, 15);
    requests.ask('d', 14, 16);
    requests.ask('e', 30, 31);
    await settle();
    expect(requests.granted).toEqual(['a', 'b', 'e']);
    await requests.release('a');
    expect(requests.granted).toEqual(['a', 'b', 'e']);
    await requests.release('b');
    expect(requests.granted).toEqual(['a', 'b', 'e', 'c']);
    await requests.release('c');
    expect(requests.granted).toEqual(['a', 'b', 'e', 'c', 'd']);
    expect(requests.lock.isBusy).toBe(true);
    await requests.release('d');
    await requests.release('e');
    expect(requests.lock.isBusy).toBe(false);
  });

  it('lets nothing that came later overtake who waits for the whole disk', async () => {
    const requests = new Requests();
    requests.ask('a', 0, 1);
    requests.askAll('all');
    requests.ask('b', 5, 6);
    await settle();
    expect(requests.granted).toEqual(['a']);
    await requests.release('a');
    expect(requests.granted).toEqual(['a', 'all']);
    await requests.release('all');
    expect(requests.granted).toEqual(['a', 'all', 'b']);
  });

  it('keeps the place of who widens: before later requests, after those that run', async () => {
    const requests = new Requests();
    requests.ask('a', 0, 10);
    requests.ask('running', 20, 30);
    requests.ask('later', 5, 6);
    await settle();
    requests.widen('a');
    await settle();
    expect(requests.granted).toEqual(['running']);
    await requests.release('running');
    expect(requests.granted).toEqual(['running', 'a']);
    await requests.release('a');
    expect(requests.granted).toEqual(['running', 'a', 'later']);
  });

  it('lets two widen one after the other', async () => {
    const requests = new Requests();
    requests.ask('a', 0, 10);
    requests.ask('b', 20, 30);
    await settle();
    requests.widen('b');
    requests.widen('a');
    await settle();
    expect(requests.granted).toEqual(['a']);
    await requests.release('a');
    expect(requests.granted).toEqual(['a', 'b']);
  });

  it('lets a holder of the whole disk take along those right behind it that wait for it', async () => {
    const requests = new Requests();
    for (const [index, name] of ['a', 'b', 'c', 'd'].entries())
      requests.ask(name, index, index + 1);
    await settle();
    for (const name of ['a', 'b', 'c', 'd']) requests.widen(name);
    requests.ask('e', 2, 3);
    await settle();
    expect(requests.granted).toEqual(['a']);
    const taken = requests.lock.takeAlong((hold) => hold.guest.start !== 3);
    expect(taken.map(({ guest }) => guest.start)).toEqual([1, 2]);
    for (const hold of taken) requests.lock.dismiss(hold);
    await settle();
    expect(requests.granted).toEqual(['a', 'b', 'c']);
    // They hold nothing, and so let go of nothing.
    await requests.release('b');
    await requests.release('c');
    expect(requests.granted).toEqual(['a', 'b', 'c']);
    await requests.release('a');
    expect(requests.granted).toEqual(['a', 'b', 'c', 'd']);
    await requests.release('d');
    expect(requests.granted).toEqual(['a', 'b', 'c', 'd', 'e']);
    await requests.release('e');
    expect(requests.lock.isBusy).toBe(false);
  });

  it('takes nobody along past a place that was reserved before', async () => {
    const requests = new Requests();
    requests.askAll('a');
    requests.reserve('r', 5, 6);
    requests.askAll('b');
    await settle();
    expect(requests.lock.takeAlong(() => true)).toEqual([]);
    await requests.release('a');
    expect(requests.granted).toEqual(['a']);
    await requests.release('r');
    expect(requests.granted).toEqual(['a', 'b']);
  });

  it('keeps back by a reserved place only who comes later and overlaps', async () => {
    const requests = new Requests();
    requests.ask('before', 5, 6);
    requests.reserve('reserved', 0, 10);
    requests.ask('beside', 10, 20);
    requests.ask('behind', 9, 11);
    requests.askAll('all');
    await settle();
    expect(requests.granted).toEqual(['before', 'beside']);
    expect(requests.lock.isBusy).toBe(true);
    requests.enter('reserved');
    await requests.release('before');
    expect(requests.granted).toEqual(['before', 'beside']);
    await requests.release('beside');
    expect(requests.granted).toEqual(['before', 'beside', 'reserved']);
    await requests.stepBack('reserved');
    expect(requests.granted).toEqual(['before', 'beside']);
    await requests.release('reserved');
    expect(requests.granted).toEqual(['before', 'beside', 'behind']);
    await requests.release('behind');
    await requests.release('all');
    expect(requests.lock.isBusy).toBe(false);
  });

  it('lets who changes tables elsewhere go before a place that is only reserved', async () => {
    const requests = new Requests();
    requests.reserve('reserved', 0, 10);
    requests.ask('beside', 10, 20);
    await settle();
    requests.widen('beside');
    await settle();
    expect(requests.granted).toEqual(['beside']);
    requests.enter('reserved');
    await settle();
    expect(requests.granted).toEqual(['beside']);
    await requests.release('beside');
    expect(requests.granted).toEqual(['beside', 'reserved']);
    await requests.release('reserved');
    expect(requests.lock.isBusy).toBe(false);
  });

  it('refuses a synchronous request that would have to wait, and forgets it', async () => {
    const requests = new Requests();
    const busy = expect.objectContaining({ code: 'busy' });
    requests.ask('a', 0, 10);
    await settle();
    expect(() => runSync(requests.lock.hold({ start: 9, end: 10 }))).toThrowError(busy);
    const beside = runSync(requests.lock.hold({ start: 10, end: 11 }));
    expect(() => runSync(requests.lock.widen(beside))).toThrowError(busy);
    requests.lock.release(beside);
    await requests.release('a');
    expect(requests.lock.isBusy).toBe(false);
  });

  it.each([
    ['the same range', () => ({ start: 0, end: 1 }), false],
    ['ranges of their own, and then all of it', (at: number) => ({ start: at, end: at + 1 }), true],
  ])('does not get slow when very many ask for %s', async (_what, rangeOf, widening) => {
    const lock = new WriteLock();
    // Of the processor: other work on the machine must not count.
    const began = process.cpuUsage();
    const work = Array.from({ length: 10_000 }, async (_, index) => {
      const hold = await runAsync(lock.hold(rangeOf(index)));
      if (widening) await runAsync(lock.widen(hold));
      await Promise.resolve();
      lock.release(hold);
    });
    await Promise.all(work);
    expect(lock.isBusy).toBe(false);
    // Looking at all that wait, each time that one is done, takes much longer.
    expect(process.cpuUsage(began).user).toBeLessThan(4_000_000);
  });

  it('never grants two that overlap, and leaves nobody behind', async () => {
    const request = fc.record({
      start: fc.nat(20),
      length: fc.integer({ min: 1, max: 8 }),
      kind: fc.constantFrom('range', 'range', 'range', 'all', 'widen', 'reserve'),
      ticks: fc.nat(5),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 40 }), async (requests) => {
        const lock = new WriteLock();
        const running = new Set<LockRange>();
        const during = async (range: LockRange, ticks: number) => {
          for (const other of running) {
            expect(range.start < other.end && other.start < range.end).toBe(false);
          }
          running.add(range);
          for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
          running.delete(range);
        };
        const inTurns = async (hold: Hold, ticks: number) => {
          for (let turn = 0; turn < 3; turn++) {
            for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
            await runAsync(lock.enter(hold));
            await during(WHOLE_DISK, ticks);
            lock.stepBack(hold);
          }
          lock.release(hold);
        };
        const work = requests.map(async ({ start, length, kind, ticks }) => {
          const range = kind === 'all' ? WHOLE_DISK : { start, end: start + length };
          if (kind === 'reserve') {
            await inTurns(lock.reserve(range), ticks);
            return;
          }
          const hold = await runAsync(lock.hold(range));
          await during(range, ticks);
          if (kind === 'widen') {
            await runAsync(lock.widen(hold));
            await during(WHOLE_DISK, ticks);
          }
          lock.release(hold);
        });
        await Promise.all(work);
        expect(lock.isBusy).toBe(false);
      }),
    );
  });
});
