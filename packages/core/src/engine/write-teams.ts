/**
 * Writes into new space that share a turn. Each of them has to be alone with the tables, but not
 * with its data: those that wait at the same time and concern different blocks get their space one
 * after the other, then the host writes the data of all side by side, and then they are linked in
 * one after the other. Alone, each would wait for a thread of the host before the next may begin.
 */
import type { Allocation } from '../format/image-writer.ts';
import { type HostCall, ParallelCalls, type Step, stepCall } from '../step.ts';
import { cancelAllocation } from './cancel-allocation.ts';
import type { Hold } from './write-lock.ts';
import type { WriteTurns } from './write-turns.ts';

/** Blocks that may have to be copied at a time: what bounds memory. */
const MAX_TEAM_BYTES = 8 * 1024 * 1024;
const MAX_TEAM_BLOCKS = 64;

const MICROTASK_TURNS = 4;

/**
 * Until whoever has been told of the end of another write has asked for its next: those that come
 * once the turn has begun have to wait for the one after it.
 */
const LETTING_OTHERS_COME: HostCall = {
  runSync: () => {},
  run: async () => {
    for (let turn = 0; turn < MICROTASK_TURNS; turn++) await undefined;
  },
};

/** What the engine does for one write, as far as one run of space goes. */
export interface WriteWork {
  /** @returns undefined where bytes can be overwritten where they lie */
  allocate(guestOffset: number, wantedBytes: number): Step<Allocation | undefined>;
  fill(allocation: Allocation, src: Uint8Array, guestOffset: number): Step<void>;
  /** @returns how many bytes from the start could be overwritten */
  overwrite(src: Uint8Array, guestOffset: number): Step<number>;
  /**
   * All of a write, whatever it takes.
   * @param requestStart where the request began that this is the rest of
   */
  writeAlone(src: Uint8Array, guestOffset: number, requestStart?: number): Step<void>;
}

interface TeamWrite {
  readonly src: Uint8Array;
  readonly guestOffset: number;
  allocation: Allocation | undefined;
  doneBytes: number;
  isOver: boolean;
  failure: { readonly error: unknown } | undefined;
}

export class WriteTeams {
  readonly #turns: WriteTurns;
  readonly #blockBytes: number | undefined;
  readonly #work: WriteWork;
  /** Those that wait for their turn. */
  readonly #waiting = new Map<Hold, TeamWrite>();

  /** @param blockBytes see {@link ImageWriter.blockBytes} */
  constructor(turns: WriteTurns, blockBytes: number | undefined, work: WriteWork) {
    this.#turns = turns;
    this.#blockBytes = blockBytes;
    this.#work = work;
  }

  /** Writes all of `src` when its turn has come, or another's that takes it along. */
  *write(hold: Hold, src: Uint8Array, guestOffset: number): Step<void> {
    const own: TeamWrite = {
      src,
      guestOffset,
      allocation: undefined,
      doneBytes: 0,
      isOver: false,
      failure: undefined,
    };
    this.#waiting.set(hold, own);
    try {
      if (this.#blockBytes !== undefined) yield LETTING_OTHERS_COME;
      yield* this.#turns.widen(hold);
    } finally {
      this.#waiting.delete(hold);
    }
    if (!own.isOver) yield* this.#lead(own);
    if (own.failure !== undefined) throw own.failure.error;
  }

  *#lead(own: TeamWrite): Step<void> {
    const companions = this.#companionsOf(own);
    if (companions.length === 0) return yield* this.#work.writeAlone(own.src, own.guestOffset);
    const team = [own, ...companions.map((hold) => this.#waiting.get(hold)!)];
    try {
      yield* this.#writeTeam(team);
    } finally {
      for (const write of team) write.isOver = true;
      for (const hold of companions) this.#turns.dismiss(hold);
    }
  }

  #companionsOf(own: TeamWrite): Hold[] {
    const blockBytes = this.#blockBytes;
    if (blockBytes === undefined) return [];
    const taken = new Set<number>();
    const most = Math.min(MAX_TEAM_BLOCKS, MAX_TEAM_BYTES / blockBytes);
    const joins = ({ src, guestOffset }: TeamWrite): boolean => {
      const first = Math.floor(guestOffset / blockBytes);
      const end = Math.ceil((guestOffset + src.length) / blockBytes);
      if (taken.size + end - first > most) return false;
      for (let block = first; block < end; block++) if (taken.has(block)) return false;
      for (let block = first; block < end; block++) taken.add(block);
      return true;
    };
    if (!joins(own)) return [];
    return this.#turns.takeAlong((hold) => {
      const write = this.#waiting.get(hold);
      return write !== undefined && joins(write);
    });
  }

  /** A write that fails leaves the others alone. */
  *#writeTeam(team: readonly TeamWrite[]): Step<void> {
    for (const write of team) yield* attempt(write, () => this.#setAside(write));
    yield new ParallelCalls(
      team
        .filter(({ failure }) => failure === undefined)
        .map((write) => stepCall(() => attempt(write, () => this.#writeData(write)))),
    );
    for (const write of team) yield* this.#finish(write);
  }

  *#setAside(write: TeamWrite): Step<void> {
    write.allocation = yield* this.#work.allocate(write.guestOffset, write.src.length);
  }

  *#writeData(write: TeamWrite): Step<void> {
    const { src, guestOffset, allocation } = write;
    if (allocation === undefined) {
      write.doneBytes = yield* this.#work.overwrite(src, guestOffset);
      return;
    }
    write.doneBytes = reachOf(allocation, guestOffset, src.length);
    yield* this.#work.fill(allocation, src.subarray(0, write.doneBytes), guestOffset);
  }

  *#finish(write: TeamWrite): Step<void> {
    const { allocation, failure } = write;
    if (failure === undefined) yield* attempt(write, () => this.#link(write));
    else if (allocation !== undefined) yield* attempt(write, () => cancelAllocation(allocation));
  }

  *#link({ src, guestOffset, allocation, doneBytes }: TeamWrite): Step<void> {
    if (allocation !== undefined) yield* allocation.commit();
    if (doneBytes === src.length) return;
    const rest = src.subarray(doneBytes);
    yield* this.#work.writeAlone(rest, guestOffset + doneBytes, guestOffset);
  }
}

/** How many of the bytes from `guestOffset` on an allocation holds. */
export function reachOf(allocation: Allocation, guestOffset: number, lengthBytes: number): number {
  return Math.min(lengthBytes, allocation.guestOffset + allocation.lengthBytes - guestOffset);
}

/** Notes the first error of a write, for whoever asked for the write. */
function* attempt(write: TeamWrite, body: () => Step<void>): Step<void> {
  try {
    yield* body();
  } catch (error) {
    write.failure ??= { error };
  }
}
