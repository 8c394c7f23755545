/**
 * Work on chains loses nothing when the power goes, and nothing when any operation of the host
 * fails: whoever opens the image finds it whole, and reads what was there before.
 */
import { CrashLog, crashStates, FaultStorage, RecordingStorage } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import {
  commitDiskFileSync,
  DiskError,
  flattenDiskFileSync,
  rebaseDiskFileSync,
} from '../../src/index.ts';
import { MemoryImages } from '../support/memory-images.ts';

const SIZE = 64 * 1024;
const content = (fill: number, length = SIZE) =>
  Uint8Array.from({ length }, (_, at) => (at * fill + Math.floor(at / 512)) % 251);

interface Scenario {
  readonly make: () => MemoryImages;
  readonly run: (images: MemoryImages) => void;
  /** What is written besides the top, and in the end reads the same. */
  readonly base?: string;
}

/** top over middle over base.raw, and beside it other over base.raw. */
function makeImages(options: Record<string, string | number | boolean>, middleBytes = SIZE) {
  const images = new MemoryImages();
  images.createRaw('base.raw', content(3));
  images.createQcow2('middle', middleBytes, { cluster_size: 512, ...options }, 'base.raw');
  images.createQcow2('other', SIZE, { cluster_size: 2048 }, 'base.raw');
  images.createQcow2('top', SIZE, { cluster_size: 1024, ...options }, 'middle');
  images.change('middle', (disk) => {
    disk.writeSync(content(5, 9000), 4000);
    disk.writeZeroesSync(20_480, 6144);
  });
  images.change('other', (disk) => disk.writeSync(content(7, 20_000), 12_000));
  images.change('top', (disk) => {
    disk.writeSync(content(11, 7000), 9000);
    disk.writeZeroesSync(2048, 3000);
    disk.writeSync(content(13, 3000), 50_000);
    disk.discardSync(30_720, 4096);
  });
  return images;
}

const version3 = () => makeImages({});
const version2 = () => makeImages({ compat: '0.10' });
const short = () => makeImages({}, 40_960);
const lazy = () => makeImages({ lazy_refcounts: true });

function ontoRaw(): MemoryImages {
  const images = makeImages({});
  rebaseDiskFileSync(images.storage('top'), {
    gate: images.gate,
    backing: 'base.raw',
    backingFormat: 'raw',
  });
  return images;
}

const commitTop = (images: MemoryImages) =>
  void commitDiskFileSync(images.storage('top'), { gate: images.gate });
const rebaseTop = (images: MemoryImages) =>
  void rebaseDiskFileSync(images.storage('top'), { gate: images.gate, backing: 'other' });
const flattenTop = (images: MemoryImages) =>
  void flattenDiskFileSync(images.storage('top'), { gate: images.gate });

const SCENARIOS: [name: string, scenario: Scenario][] = [
  ['commit', { make: version3, run: commitTop, base: 'middle' }],
  ['commit in version 2', { make: version2, run: commitTop, base: 'middle' }],
  ['commit with lazy refcounts', { make: lazy, run: commitTop, base: 'middle' }],
  ['commit into a shorter base', { make: short, run: commitTop, base: 'middle' }],
  ['commit into a raw base', { make: ontoRaw, run: commitTop, base: 'base.raw' }],
  ['rebase', { make: version3, run: rebaseTop }],
  ['rebase in version 2', { make: version2, run: rebaseTop }],
  ['rebase from a short chain', { make: short, run: rebaseTop }],
  ['flatten', { make: version3, run: flattenTop }],
  ['flatten with lazy refcounts', { make: lazy, run: flattenTop }],
];

/** More for a long run. */
const STATES_PER_POINT = Number(process.env['CRASH_STATES'] ?? 5);

/** The images of a scenario as they were, and what is to be found of them. */
class Expectation {
  readonly images: MemoryImages;
  readonly written: readonly string[];
  readonly #scenario: Scenario;
  readonly #top: Uint8Array;
  /** What the base read as, and what it will. */
  readonly #base: { readonly old: Uint8Array; readonly new: Uint8Array } | undefined;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.images = scenario.make();
    this.#top = this.images.content('top');
    const { base } = scenario;
    this.#base =
      base === undefined ? undefined : { old: this.images.content(base), new: this.#top };
    const names = base === undefined ? ['top'] : ['top', base];
    this.written = [...this.images.files.keys()].filter((name) => names.includes(name));
  }

  expectWhole(images: MemoryImages, where: string): void {
    expect(Buffer.compare(images.content('top'), this.#top), where).toBe(0);
    for (const name of this.written) {
      if (name.endsWith('.raw')) continue;
      // With lazy refcounts, whoever next writes counts anew.
      images.change(name, () => {});
      expect(images.corruptions(name), where).toBe(0);
    }
    if (this.#base === undefined) return;
    const { old, new: whole } = this.#base;
    const found = images.content(this.#scenario.base!);
    const isPossible = found.every((byte, at) => byte === (old[at] ?? 0) || byte === whole[at]);
    expect(isPossible, where).toBe(true);
  }

  expectDone(images: MemoryImages, where: string): void {
    this.expectWhole(images, where);
    const { base } = this.#scenario;
    if (base === undefined) return;
    expect(Buffer.compare(images.content(base), this.#top), where).toBe(0);
    const statuses = [...images.open('top').blockStatusSync()];
    expect(
      statuses.some(({ depth, allocated }) => allocated && depth === 0),
      where,
    ).toBe(false);
  }

  /** Every state of the written files that a crash may leave, with the others as they were. */
  *crashes(
    points: (end: number) => number[] | undefined,
    statesPerPoint: number,
  ): Generator<[MemoryImages, string]> {
    const log = new CrashLog();
    const { written } = this;
    this.#scenario.run(
      this.images
        .copy()
        .wrapped((storage, name) =>
          written.includes(name) ? new RecordingStorage(storage, log) : storage,
        ),
    );
    const chosen = points(log.now);
    const options = chosen === undefined ? {} : { points: chosen };
    for (const state of crashStates(log, { statesPerPoint, seed: 5, ...options })) {
      const found = new MemoryImages(this.images.files);
      for (const [file, name] of written.entries()) found.files.set(name, state.storages[file]!);
      yield [found, state.description];
    }
  }
}

describe('a loss of power', () => {
  it.each(SCENARIOS)('in the middle of a %s', (_, scenario) => {
    const expectation = new Expectation(scenario);
    let states = 0;
    for (const [found, where] of expectation.crashes(() => undefined, STATES_PER_POINT)) {
      expectation.expectWhole(found, where);
      states += 1;
    }
    expect(states).toBeGreaterThan(20);
  });

  it('leaves work that can be done again', () => {
    for (const [name, scenario] of SCENARIOS) {
      const expectation = new Expectation(scenario);
      const some = (end: number) => [0.2, 0.5, 0.8, 0.95].map((share) => Math.floor(end * share));
      for (const [found, where] of expectation.crashes(some, 3)) {
        scenario.run(found);
        expectation.expectDone(found, `${name}: ${where}`);
      }
    }
  });
});

describe('a host that fails', () => {
  it.each(SCENARIOS)('in the middle of a %s', (_, scenario) => {
    const expectation = new Expectation(scenario);
    let refused = 0;
    for (const file of expectation.written) {
      for (const errno of ['EIO', 'ENOSPC'] as const) {
        const all = countOperations(scenario, expectation.images, file, errno);
        const step = Math.max(1, Math.floor(all / (4 * STATES_PER_POINT)));
        for (let failAt = 1; failAt <= all; failAt += step) {
          const images = expectation.images.copy();
          const plan = { failAt, errno, lasting: failAt % 2 === 0 };
          try {
            scenario.run(
              images.wrapped((storage, name) =>
                name === file ? new FaultStorage(storage, plan) : storage,
              ),
            );
          } catch (error) {
            expect(error).toBeInstanceOf(DiskError);
            refused += 1;
          }
          const where = `${file}, ${errno} at ${failAt} of ${all}`;
          expectation.expectWhole(images, where);
          scenario.run(images);
          expectation.expectDone(images, where);
        }
      }
    }
    expect(refused).toBeGreaterThan(10);
  });
});

/** Operations of one file that an error may strike. */
function countOperations(
  scenario: Scenario,
  template: MemoryImages,
  file: string,
  errno: 'EIO' | 'ENOSPC',
): number {
  let counter: FaultStorage | undefined;
  scenario.run(
    template.copy().wrapped((storage, name) => {
      if (name !== file) return storage;
      counter = new FaultStorage(storage, { failAt: Infinity, errno });
      return counter;
    }),
  );
  return counter!.operations;
}
