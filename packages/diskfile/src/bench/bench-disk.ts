/** How long requests to a disk take: `qemu-img bench`. */
import { DiskError } from '@diskfile/bytes';
import { checkDisk, checkOptions, type DiskFile, type OptionKinds } from '@diskfile/core';
import { refuseAborted } from '../workers/aborted.ts';

export interface BenchOptions {
  readonly requests: number;
  /** Requests under way at a time, at least 1. */
  readonly depth: number;
  readonly requestBytes: number;
  /** Where the first request begins, and how far behind it the next one does. */
  readonly startBytes: number;
  readonly stepBytes: number;
  /** Whether to write; by default requests read. */
  readonly write?: boolean;
  /** The byte that is written. Default 0. */
  readonly pattern?: number;
  /** Requests between two flushes; 0, the default, for none. */
  readonly flushInterval?: number;
  /** Whether a flush waits until no request is under way. Default true. */
  readonly drain?: boolean;
  readonly signal?: AbortSignal;
}

const BENCH_KINDS: OptionKinds<BenchOptions> = {
  requests: 'count',
  depth: 'count',
  requestBytes: 'count',
  startBytes: 'count',
  stepBytes: 'count',
  write: 'flag',
  pattern: 'count',
  flushInterval: 'count',
  drain: 'flag',
  signal: 'signal',
};

/**
 * Sends requests to a disk. Offsets begin anew where the disk ends.
 * @returns how long all of it took, in milliseconds
 * @throws DiskError `invalid-argument` for options that make no sense, what the requests throw,
 *   `aborted`
 */
export async function benchDisk(disk: DiskFile, options: BenchOptions): Promise<number> {
  checkDisk('bench', disk);
  checkOptions('bench', options, BENCH_KINDS, [
    'requests',
    'depth',
    'requestBytes',
    'startBytes',
    'stepBytes',
  ]);
  if (options.depth === 0) throw noDepth();
  const start = performance.now();
  await new Bench(disk, options).run();
  return performance.now() - start;
}

class Bench {
  readonly #disk: DiskFile;
  readonly #options: BenchOptions;
  readonly #underWay = new Set<Promise<void>>();
  #offset: number;
  #failure: { readonly error: unknown } | undefined;

  constructor(disk: DiskFile, options: BenchOptions) {
    this.#disk = disk;
    this.#options = options;
    this.#offset = options.startBytes;
  }

  async run(): Promise<void> {
    const { requests, depth, requestBytes, pattern = 0, flushInterval = 0 } = this.#options;
    const buffers = Array.from({ length: Math.min(depth, requests) }, () =>
      new Uint8Array(requestBytes).fill(pattern),
    );
    for (let sent = 0; sent < requests && this.#failure === undefined; sent++) {
      refuseAborted(this.#options.signal, this.#disk.name);
      if (buffers.length === 0) await Promise.race(this.#underWay);
      if (this.#failure !== undefined) break;
      const buffer = buffers.pop()!;
      this.#start(this.#request(buffer, this.#nextOffset()), () => buffers.push(buffer));
      if (flushInterval > 0 && (sent + 1) % flushInterval === 0) await this.#flush();
    }
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #flush(): Promise<void> {
    if (this.#options.drain ?? true) await Promise.all(this.#underWay);
    this.#start(this.#disk.flush(), () => undefined);
    if (this.#options.drain ?? true) await Promise.all(this.#underWay);
  }

  async #request(buffer: Uint8Array, offset: number): Promise<void> {
    await (this.#options.write === true
      ? this.#disk.write(buffer, offset)
      : this.#disk.read(buffer, offset));
  }

  /** The first failure ends the run, once nothing is under way any more. */
  #start(request: Promise<void>, done: () => void): void {
    const settled = this.#settle(request, done).finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
  }

  async #settle(request: Promise<void>, done: () => void): Promise<void> {
    try {
      await request;
      done();
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  #nextOffset(): number {
    const { stepBytes, requestBytes } = this.#options;
    const offset = this.#offset;
    const next = offset + stepBytes;
    const { sizeBytes } = this.#disk;
    this.#offset = next + requestBytes > sizeBytes ? next % Math.max(sizeBytes, 1) : next;
    if (this.#offset + requestBytes > sizeBytes) this.#offset = 0;
    return offset;
  }
}

function noDepth(): DiskError {
  const message = 'depth is to be 1 or more: nothing would be under way';
  return new DiskError('invalid-argument', 'argument.depth', message, { op: 'bench' });
}
