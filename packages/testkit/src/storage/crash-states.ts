/**
 * What a loss of power may leave behind. Everything that a completed flush covers is there. Of all
 * later writes any subset may be, in any order, each torn between sectors: the host keeps them in
 * its cache and writes sectors out as it likes. A sector itself is written whole or not at all.
 */
import { MemoryStorage } from '@diskfile/core';
import type { CrashLog, RecordedMutation } from './crash-log.ts';
import { Random } from './random.ts';

const SECTOR_BYTES = 512;

export interface CrashOptions {
  /** At most so many states for each point in time; all there are when they are fewer. */
  readonly statesPerPoint: number;
  readonly seed: number;
  /** Times to look at, of {@link CrashLog.now}, in ascending order; by default all. */
  readonly points?: readonly number[];
}

export interface CrashState {
  /** The power went right after this time. */
  readonly point: number;
  /** The files as they are found, in the order in which they were recorded. */
  readonly storages: readonly MemoryStorage[];
  /** How to call this state in a message; the same seed makes the same states. */
  readonly description: string;
}

/** Part of a mutation that reaches the disk whole or not at all. */
type Piece =
  | { readonly file: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly file: number; readonly sizeBytes: number };

/** @throws Error when the points do not ascend */
export function* crashStates(log: CrashLog, options: CrashOptions): Generator<CrashState> {
  const points = options.points ?? Array.from({ length: log.now + 1 }, (_, index) => index);
  const files = new DurableFiles(log);
  for (const point of points) {
    const durable = files.at(point);
    const pending = log.mutations.filter(
      ({ issuedAt, durableAt }) => issuedAt <= point && durableAt > point,
    );
    const writes = piecesOf(pending, durable);
    for (const [index, pieces] of choices(writes, point, options)) {
      const storages = durable.map((bytes) => new MemoryStorage(bytes.slice()));
      for (const piece of pieces) apply(storages[piece.file]!, piece);
      const description = `seed ${options.seed}, point ${point}, state ${index}`;
      yield { point, storages, description };
    }
  }
}

/**
 * One thing that a loss of power right now may leave.
 * @param chance says of each piece that is not durable whether it reaches the disk
 */
export function leftNow(log: CrashLog, chance: () => boolean): MemoryStorage[] {
  const durable = new DurableFiles(log).at(log.now);
  const pending = log.mutations.filter(({ durableAt }) => durableAt === Infinity);
  const pieces = piecesOf(pending, durable).flat().filter(chance);
  const storages = durable.map((bytes) => new MemoryStorage(bytes.slice()));
  for (const piece of pieces) apply(storages[piece.file]!, piece);
  return storages;
}

/** The files with nothing but what is durable, at times that only grow. */
class DurableFiles {
  readonly #log: CrashLog;
  readonly #storages: MemoryStorage[];
  #now = -1;

  constructor(log: CrashLog) {
    this.#log = log;
    this.#storages = log.files.map(({ initial }) => new MemoryStorage(initial.slice()));
  }

  /** Valid until the next call. */
  at(point: number): Uint8Array[] {
    if (point < this.#now) throw new Error(`points do not ascend: ${point} after ${this.#now}`);
    for (const recorded of this.#log.mutations) {
      const { durableAt, file } = recorded;
      if (durableAt > this.#now && durableAt <= point) mutate(this.#storages[file]!, recorded);
    }
    this.#now = point;
    return this.#storages.map(({ bytes }) => bytes);
  }
}

function mutate(storage: MemoryStorage, { mutation }: RecordedMutation): void {
  if (mutation.op === 'write') storage.writeSync(mutation.bytes, mutation.offset);
  else if (mutation.op === 'truncate') storage.truncateSync(mutation.sizeBytes);
  else if (mutation.op === 'punch') storage.punchHoleSync(mutation.offset, mutation.lengthBytes);
  else storage.allocateSync(mutation.offset, mutation.lengthBytes);
}

/** For each mutation the sectors that it writes, as the host's cache has them right after it. */
function piecesOf(
  pending: readonly RecordedMutation[],
  durable: readonly Uint8Array[],
): (readonly Piece[])[] {
  const cache = durable.map((bytes) => new MemoryStorage(bytes.slice()));
  return pending.map((recorded) => {
    const { file, mutation } = recorded;
    const storage = cache[file]!;
    mutate(storage, recorded);
    if (mutation.op === 'truncate' || mutation.op === 'allocate') {
      return [{ file, sizeBytes: storage.sizeBytes }];
    }
    const lengthBytes = mutation.op === 'write' ? mutation.bytes.length : mutation.lengthBytes;
    return sectors(file, storage, mutation.offset, mutation.offset + lengthBytes);
  });
}

function sectors(file: number, storage: MemoryStorage, start: number, end: number): Piece[] {
  const pieces: Piece[] = [];
  const first = start - (start % SECTOR_BYTES);
  for (let offset = first; offset < Math.min(end, storage.sizeBytes); offset += SECTOR_BYTES) {
    pieces.push({ file, offset, bytes: storage.bytes.slice(offset, offset + SECTOR_BYTES) });
  }
  return pieces;
}

function apply(storage: MemoryStorage, piece: Piece): void {
  if ('sizeBytes' in piece) {
    storage.truncateSync(piece.sizeBytes);
    return;
  }
  storage.writeSync(piece.bytes, piece.offset);
  // In the cache a sector at the end of a file is filled up with zeros.
  const end = Math.min(piece.offset + SECTOR_BYTES, storage.sizeBytes);
  const filled = piece.offset + piece.bytes.length;
  if (filled < end) storage.writeSync(new Uint8Array(end - filled), filled);
}

/** Numbered selections of pieces, in the order in which they reach the disk. */
function* choices(
  writes: readonly (readonly Piece[])[],
  point: number,
  { statesPerPoint, seed }: CrashOptions,
): Generator<[number, readonly Piece[]]> {
  const all = writes.flat();
  if (2 ** all.length <= statesPerPoint) {
    for (let subset = 0; subset < 2 ** all.length; subset++) {
      yield [subset, all.filter((_, index) => (subset >> index) & 1)];
    }
    return;
  }
  yield [0, []];
  if (statesPerPoint > 1) yield [1, all];
  for (let index = 2; index < statesPerPoint; index++) {
    const random = new Random(seed, point, index);
    yield [index, STRATEGIES[index % STRATEGIES.length]!(writes, random)];
  }
}

type Strategy = (writes: readonly (readonly Piece[])[], random: Random) => Piece[];

/** Ways to lose writes. Chance alone would hardly ever find those that a host is likely to take. */
const STRATEGIES: readonly Strategy[] = [
  // In order up to somewhere, the last write torn.
  (writes, random) => {
    const whole = random.below(writes.length);
    const torn = random.shuffled(writes[whole]!);
    return [...writes.slice(0, whole).flat(), ...torn.slice(0, random.below(torn.length + 1))];
  },
  // Whole writes, in their order.
  (writes, random) => writes.filter(() => random.below(2) === 0).flat(),
  // All but one whole write, or a part of it.
  (writes, random) => {
    const lost = random.below(writes.length);
    return writes.flatMap((pieces, index) =>
      index === lost ? pieces.filter(() => random.below(4) === 0) : pieces,
    );
  },
  // Whole writes in any order.
  (writes, random) => random.shuffled(writes.filter(() => random.below(2) === 0)).flat(),
  // Sectors in any order.
  (writes, random) => random.shuffled(writes.flat().filter(() => random.below(2) === 0)),
];
