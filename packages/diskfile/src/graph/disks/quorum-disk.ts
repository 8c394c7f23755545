/** A disk that is kept several times: what is read is what enough of the copies say. */
import { DiskError } from '@diskfile/bytes';
import {
  type BlockStatus,
  checkAccess,
  type DiskFile,
  type DiskWarning,
  type ImageInfo,
  runAsync,
  runSync,
  type Step,
  type ZeroOptions,
} from '@diskfile/core';
import { nextStatus } from '../../chain/disk-steps.ts';
import type { DiskFilter } from './disk-filter.ts';
import { failureOf, failureOfPromise } from '../failure-of.ts';
import { MirroredDisk } from './mirrored-disk.ts';

export interface QuorumPolicy {
  /** Copies that have to agree, or to be written. */
  readonly threshold: number;
  /** Whether a copy that is outvoted is set right. */
  readonly rewrites: boolean;
  /** Whether the first copy that can be read is believed, without a vote. */
  readonly firstOnly: boolean;
  /** Whether two copies are compared byte by byte, and a difference is told as that. */
  readonly compares: boolean;
}

/** What one copy says, or why it cannot. */
interface Ballot {
  readonly bytes: Uint8Array;
  readonly error: unknown;
}

/** Owns the copies, which are of the same size. */
export class QuorumDisk extends MirroredDisk {
  readonly #copies: readonly DiskFile[];
  readonly #policy: QuorumPolicy;

  constructor(copies: readonly DiskFile[], policy: QuorumPolicy) {
    super(copies[0]!, 'quorum');
    this.#copies = copies;
    this.#policy = policy;
  }

  protected override over(disk: DiskFile): DiskFilter {
    const others = this.#copies.slice(1).map((copy) => copy.tryClone());
    return new QuorumDisk([disk, ...others], this.#policy);
  }

  override get readOnly(): boolean {
    return this.#copies.some(({ readOnly }) => readOnly);
  }

  override get warnings(): readonly DiskWarning[] {
    return this.#copies.flatMap(({ warnings }) => warnings);
  }

  override get synchronous(): boolean {
    return this.#copies.every(({ synchronous }) => synchronous);
  }

  override physicalSizeBytes(): number {
    return this.#copies.reduce((sum, copy) => sum + copy.physicalSizeBytes(), 0);
  }

  override info(): readonly ImageInfo[] {
    const [info] = super.info();
    return [{ ...info!, allocatedBytes: this.physicalSizeBytes() }];
  }

  override *blockStatusSync(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): Generator<BlockStatus> {
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const found = this.#copies.map((copy) => runSync(statusOfCopy(copy, at, end - at)));
      const status = commonStatus(found, at, end - at);
      yield status;
      at += status.lengthBytes;
    }
  }

  override async *blockStatus(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): AsyncGenerator<BlockStatus> {
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const asked = this.#copies.map((copy) => runAsync(statusOfCopy(copy, at, end - at)));
      const status = commonStatus(await Promise.all(asked), at, end - at);
      yield status;
      at += status.lengthBytes;
    }
  }

  override readSync(dst: Uint8Array, guestOffset: number): void {
    checkAccess(this, 'read', dst, guestOffset);
    const ballots: Ballot[] = [];
    for (const copy of this.#copies) {
      const bytes = new Uint8Array(dst.length);
      ballots.push({ bytes, error: failureOf(() => copy.readSync(bytes, guestOffset)) });
      if (this.#policy.firstOnly && ballots.at(-1)!.error === undefined) break;
    }
    for (const loser of this.#decide(ballots, dst, guestOffset)) {
      failureOf(() => this.#copies[loser]!.writeSync(dst, guestOffset));
    }
  }

  override async read(dst: Uint8Array, guestOffset: number): Promise<void> {
    checkAccess(this, 'read', dst, guestOffset);
    const ask = async (copy: DiskFile): Promise<Ballot> => {
      const bytes = new Uint8Array(dst.length);
      return { bytes, error: await failureOfPromise(copy.read(bytes, guestOffset)) };
    };
    const ballots: Ballot[] = [];
    if (this.#policy.firstOnly) {
      for (const copy of this.#copies) {
        ballots.push(await ask(copy));
        if (ballots.at(-1)!.error === undefined) break;
      }
    } else ballots.push(...(await Promise.all(this.#copies.map(ask))));
    for (const loser of this.#decide(ballots, dst, guestOffset)) {
      await failureOfPromise(this.#copies[loser]!.write(dst, guestOffset));
    }
  }

  /** Fills `dst`. @returns the copies that are to be set right. @throws DiskError without a majority */
  #decide(ballots: readonly Ballot[], dst: Uint8Array, guestOffset: number): number[] {
    const { threshold, firstOnly, compares, rewrites } = this.#policy;
    const valid = ballots.filter(({ error }) => error === undefined);
    const needed = firstOnly ? 1 : threshold;
    if (valid.length < needed) throw ballots.find(({ error }) => error !== undefined)!.error;
    const [first] = valid;
    const agreeing = (one: Ballot) => valid.filter(({ bytes }) => isEqual(bytes, one.bytes));
    if (compares && agreeing(first!).length < valid.length) {
      throw mismatch('quorum:', valid[0]!.bytes, valid[1]!.bytes, guestOffset);
    }
    const winner = valid.find((one) => agreeing(one).length >= needed);
    if (winner === undefined) throw undecided(guestOffset, dst.length);
    dst.set(winner.bytes);
    if (!rewrites || this.readOnly || firstOnly) return [];
    return [...ballots.keys()].filter((index) => {
      const { error, bytes } = ballots[index]!;
      return error === undefined && !isEqual(bytes, winner.bytes);
    });
  }

  override writeSync(src: Uint8Array, guestOffset: number): void {
    this.#allSync((copy) => copy.writeSync(src, guestOffset));
  }

  override async write(src: Uint8Array, guestOffset: number): Promise<void> {
    await this.#all((copy) => copy.write(src, guestOffset));
  }

  override writeZeroesSync(guestOffset: number, lengthBytes: number, options?: ZeroOptions): void {
    this.#allSync((copy) => copy.writeZeroesSync(guestOffset, lengthBytes, options));
  }

  override async writeZeroes(
    guestOffset: number,
    lengthBytes: number,
    options?: ZeroOptions,
  ): Promise<void> {
    await this.#all((copy) => copy.writeZeroes(guestOffset, lengthBytes, options));
  }

  override flushSync(): void {
    this.#allSync((copy) => copy.flushSync());
  }

  override async flush(): Promise<void> {
    await this.#all((copy) => copy.flush());
  }

  override closeSync(): void {
    const failures = this.#copies.map((copy) => failureOf(() => copy.closeSync()));
    this.#judge(failures, this.#copies.length);
  }

  override async close(): Promise<void> {
    const closing = this.#copies.map((copy) => failureOfPromise(copy.close()));
    this.#judge(await Promise.all(closing), this.#copies.length);
  }

  #allSync(work: (copy: DiskFile) => void): void {
    this.#judge(this.#copies.map((copy) => failureOf(() => work(copy))));
  }

  async #all(work: (copy: DiskFile) => Promise<void>): Promise<void> {
    this.#judge(await Promise.all(this.#copies.map((copy) => failureOfPromise(work(copy)))));
  }

  /** @throws the first failure, where too few copies have none */
  #judge(failures: readonly unknown[], needed = this.#policy.threshold): void {
    const failed = failures.filter((error) => error !== undefined);
    if (failures.length - failed.length < needed) throw failed[0];
  }
}

/** Two copies that differ. @param who what compares them */
export function mismatch(
  who: string,
  one: Uint8Array,
  other: Uint8Array,
  guestOffset: number,
): DiskError {
  const at = guestOffset + one.findIndex((byte, index) => byte !== other[index]);
  const place = `offset=${guestOffset} bytes=${one.length} contents mismatch at offset ${at}`;
  return new DiskError('io', 'graph.mismatch', `${who} ${place}`, { op: 'read', offset: at });
}

function undecided(offset: number, length: number): DiskError {
  return new DiskError('io', 'graph.no-quorum', 'Too few copies agree on what is there', {
    op: 'read',
    offset,
    length,
  });
}

export function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.from(one.buffer, one.byteOffset, one.length).equals(other);
}

/** Zeros are what all copies know to be zeros; where any has data, they have to be asked. */
/** A copy that cannot tell has data, for all that is known: reading outvotes it. */
function* statusOfCopy(copy: DiskFile, guestOffset: number, atMost: number): Step<BlockStatus> {
  try {
    return yield* nextStatus(copy, guestOffset, atMost);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    const place = {
      guestOffset,
      lengthBytes: atMost,
      storageName: undefined,
      hostOffset: undefined,
    };
    return { ...place, data: true, zero: false, allocated: true, depth: 0, compressed: false };
  }
}

function commonStatus(
  found: readonly BlockStatus[],
  guestOffset: number,
  atMost: number,
): BlockStatus {
  const isZero = found.every(({ zero }) => zero);
  const telling = found.filter(({ zero }) => zero === isZero);
  const lengthBytes = Math.min(atMost, ...telling.map((each) => each.lengthBytes));
  const place = { storageName: undefined, hostOffset: undefined };
  const kind = { data: !isZero, zero: isZero, allocated: true, depth: 0, compressed: false };
  return { guestOffset, lengthBytes, ...kind, ...place };
}
