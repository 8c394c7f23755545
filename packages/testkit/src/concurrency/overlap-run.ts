/** Many requests in flight at a time, on several handles, have to do what they do one by one. */
import { DiskError } from '@diskfile/bytes';
import type { DiskFile } from '@diskfile/core';
import type { DiskModel } from '../model/disk-model.ts';
import { DiskTrial } from '../model/disk-trial.ts';
import {
  firstForeignByte,
  firstForeignSector,
  Mismatch,
  readAll,
  SECTOR_BYTES,
} from '../model/mismatch.ts';
import { expectSound } from '../model/sound.ts';
import { type Faults, FaultStorage } from '../storage/fault-storage.ts';
import { Random } from '../storage/random.ts';
import { SlowStorage } from '../storage/slow-storage.ts';
import type { Subject } from '../subject/subject.ts';
import { anyRequest, type Request } from './request.ts';
import { SharedSectors } from './shared-sectors.ts';

const HANDLES = 3;
const READ_SHARE = 5;
const READ_SECTORS = 20;
/** However busy the machine is. */
const HANG_MS = 60_000;

export interface OverlapOptions {
  readonly seed: number;
  readonly rounds: number;
  /** In flight at a time. */
  readonly requests: number;
  /** Lets the host fail. Every byte then is one that it may be. */
  readonly faults?: Faults;
}

export interface OverlapReport {
  readonly requests: number;
  readonly reads: number;
  readonly failures: number;
}

export async function runOverlapping(
  subject: Subject,
  options: OverlapOptions,
): Promise<OverlapReport> {
  const run = new OverlapRun(subject, options);
  await run.run();
  return run;
}

class OverlapRun implements OverlapReport {
  requests = 0;
  reads = 0;
  failures = 0;
  readonly #options: OverlapOptions;
  readonly #random: Random;
  readonly #trial: DiskTrial;
  #model: DiskModel;

  constructor(subject: Subject, options: OverlapOptions) {
    const { faults } = options;
    const random = new Random(options.seed);
    const files = subject.create().wrapped((storage) => {
      const slow = new SlowStorage(storage, random);
      return faults === undefined ? slow : new FaultStorage(slow, faults);
    });
    this.#options = options;
    this.#random = random;
    this.#trial = new DiskTrial(subject, files);
    for (let handle = 1; handle < HANDLES; handle++) this.#trial.clone(0);
    this.#model = this.#trial.modelNow();
  }

  async run(): Promise<void> {
    const { rounds, faults } = this.#options;
    for (let round = 0; round < rounds; round++) await this.#round();
    faults?.heal();
    await this.#trial.disk.flush();
    if (faults === undefined) expectSound(this.#trial, this.#model);
    else this.#expectUndamaged();
  }

  async #round(): Promise<void> {
    const random = this.#random;
    const model = this.#model;
    /** Contents of the disk that a read may show. */
    const contents = [model.content.slice()];
    const pending: Promise<void>[] = [];
    const shared = new SharedSectors();
    for (let count = 0; count < this.#options.requests; count++) {
      const disk = this.#trial.handle(random.below(HANDLES));
      if (random.below(READ_SHARE) === 0) pending.push(this.#read(disk, contents, shared));
      else {
        const request = anyRequest(model, random, contents[0]!.length);
        shared.add(request.windows);
        pending.push(this.#request(disk, request));
        for (const change of request.changes) {
          change(model);
          contents.push(model.content.slice());
        }
      }
    }
    await withinTime(Promise.all(pending), this.#options);
    this.#compare(contents);
  }

  async #request(disk: DiskFile, request: Request): Promise<void> {
    this.requests += 1;
    try {
      await request.start(disk);
    } catch (error) {
      this.#tolerate(error, request.text);
    }
  }

  /** Contents that come about while it is under way are added to the list meanwhile. */
  async #read(
    disk: DiskFile,
    contents: readonly Uint8Array[],
    shared: SharedSectors,
  ): Promise<void> {
    this.reads += 1;
    const sectors = contents[0]!.length / SECTOR_BYTES;
    const start = this.#random.below(sectors) * SECTOR_BYTES;
    const count = Math.min(1 + this.#random.below(READ_SECTORS), sectors - start / SECTOR_BYTES);
    const found = new Uint8Array(count * SECTOR_BYTES);
    try {
      await disk.read(found, start);
    } catch (error) {
      return this.#tolerate(error, 'read');
    }
    for (let at = 0; at < found.length; at += SECTOR_BYTES) {
      const sector = (start + at) / SECTOR_BYTES;
      const actual = found.subarray(at, at + SECTOR_BYTES);
      const possible = contents.map((content) =>
        content.subarray(start + at, start + at + SECTOR_BYTES),
      );
      const isForeign = shared.has(sector)
        ? firstForeignByte(actual, possible) !== -1
        : firstForeignSector(actual, possible) !== -1;
      if (isForeign) throw new Mismatch(`sector ${sector} reads as what it never was`);
    }
  }

  #tolerate(error: unknown, what: string): void {
    const isExpected = this.#options.faults !== undefined && error instanceof DiskError;
    if (!isExpected) throw new Mismatch(`${what}: ${String(error)}`, { cause: error });
    this.failures += 1;
  }

  #compare(contents: readonly Uint8Array[]): void {
    const { faults } = this.#options;
    if (faults === undefined) return this.#trial.expectAll(this.#model);
    const found = faults.paused(() => readAll(this.#trial.disk));
    // Of two requests for parts of a sector, one may have failed.
    const at = firstForeignByte(found, contents);
    if (at !== -1) throw new Mismatch(`the byte at ${at} was never written there`);
    this.#model = faults.paused(() => this.#trial.modelNow());
  }

  #expectUndamaged(): void {
    const found = readAll(this.#trial.disk);
    this.#trial.close();
    const { errors } = this.#trial.subject.verify(this.#trial.files);
    if (errors.length > 0) throw new Mismatch(`the image is damaged: ${errors.join('; ')}`);
    this.#trial.reopen({ readOnly: true });
    if (firstForeignSector(readAll(this.#trial.disk), [found]) !== -1) {
      throw new Mismatch('closing has changed the disk');
    }
    this.#trial.close();
  }
}

async function withinTime(work: Promise<unknown>, { seed }: OverlapOptions): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Mismatch(`hangs with seed ${seed}`)), HANG_MS);
  });
  try {
    await Promise.race([work, hang]);
  } finally {
    clearTimeout(timer);
  }
}
