/**
 * Host work gathered while a guest range is walked, then done at once: neighbouring reads become
 * one, neighbouring encoded units are fetched together, and under the asynchronous driver all of
 * it runs side by side.
 */
import { type HostCall, ParallelCalls, type Step, stepCall } from '../step.ts';
import { readInto, type Storage } from '../storage.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Decoder } from '../decoder.ts';
import type { Extent } from './extent.ts';
import type { UnitCache } from './unit-cache.ts';

/** Most buffers that one vectored read may take (IOV_MAX of the usual hosts). */
const MAX_VECTORS = 1024;
/** Longest run of encoded bytes that is fetched in one read, unless a single unit is longer. */
const MAX_GROUP_BYTES = 2 * 1024 * 1024;
/** Bytes between two encoded units that are cheaper to read along than to skip. */
const GAP_BYTES = 64 * 1024;

/** One read of neighbouring host bytes into one or more buffers. */
class HostRead implements HostCall {
  readonly storage: Storage;
  readonly #hostOffset: number;
  readonly #buffers: Uint8Array[];
  #lengthBytes: number;

  constructor(storage: Storage, hostOffset: number, dst: Uint8Array) {
    this.storage = storage;
    this.#hostOffset = hostOffset;
    this.#buffers = [dst];
    this.#lengthBytes = dst.length;
  }

  /** Takes on a read that goes on where this one ends; false when it is no neighbour. */
  append(storage: Storage, hostOffset: number, dst: Uint8Array): boolean {
    if (storage !== this.storage || hostOffset !== this.#hostOffset + this.#lengthBytes) {
      return false;
    }
    const last = this.#buffers.at(-1)!;
    if (last.buffer === dst.buffer && last.byteOffset + last.length === dst.byteOffset) {
      const joined = new Uint8Array(last.buffer, last.byteOffset, last.length + dst.length);
      this.#buffers[this.#buffers.length - 1] = joined;
    } else {
      if (this.#buffers.length === MAX_VECTORS) return false;
      this.#buffers.push(dst);
    }
    this.#lengthBytes += dst.length;
    return true;
  }

  runSync(): void {
    if (this.#buffers.length === 1) this.storage.readSync(this.#buffers[0]!, this.#hostOffset);
    else this.storage.readvSync(this.#buffers, this.#hostOffset);
  }

  run(): Promise<void> {
    if (this.#buffers.length === 1) return this.storage.read(this.#buffers[0]!, this.#hostOffset);
    return this.storage.readv(this.#buffers, this.#hostOffset);
  }
}

/** One unit to decode, whole into the caller's buffer or in part by way of the cache. */
interface WantedUnit {
  readonly decoder: Decoder;
  readonly hostOffset: number;
  readonly encodedLengthBytes: number;
  readonly unitLengthBytes: number;
  readonly unitSkipBytes: number;
  readonly dst: Uint8Array;
}

class DecodeCall implements HostCall {
  readonly #unit: WantedUnit;
  readonly #src: Uint8Array;
  readonly #keep: (bytes: Uint8Array) => void;

  constructor(unit: WantedUnit, src: Uint8Array, keep: (bytes: Uint8Array) => void) {
    this.#unit = unit;
    this.#src = src;
    this.#keep = keep;
  }

  runSync(): void {
    const target = this.#target();
    this.#unit.decoder.decodeSync(this.#src, target);
    this.#deliver(target);
  }

  async run(): Promise<void> {
    const target = this.#target();
    await this.#unit.decoder.decode(this.#src, target);
    this.#deliver(target);
  }

  #target(): Uint8Array {
    const { dst, unitLengthBytes } = this.#unit;
    return dst.length === unitLengthBytes ? dst : new Uint8Array(unitLengthBytes);
  }

  #deliver(decoded: Uint8Array): void {
    const { dst, unitSkipBytes } = this.#unit;
    if (decoded === dst) return;
    dst.set(decoded.subarray(unitSkipBytes, unitSkipBytes + dst.length));
    this.#keep(decoded);
  }
}

/** Encoded units of one storage that lie close enough together to be read at once. */
class EncodedGroup {
  readonly storage: Storage;
  readonly #units: WantedUnit[] = [];
  #start = Infinity;
  #end = 0;

  constructor(storage: Storage) {
    this.storage = storage;
  }

  /** Takes a unit on; false when it lies too far away. */
  add(storage: Storage, unit: WantedUnit): boolean {
    const start = Math.min(this.#start, unit.hostOffset);
    const end = Math.max(this.#end, unit.hostOffset + unit.encodedLengthBytes);
    if (this.#units.length > 0) {
      const gap = Math.max(unit.hostOffset - this.#end, this.#start - unit.hostOffset);
      const far = gap > GAP_BYTES || end - start > MAX_GROUP_BYTES;
      if (storage !== this.storage || far) return false;
    }
    this.#start = start;
    this.#end = end;
    this.#units.push(unit);
    return true;
  }

  *run(pool: BufferPool, cache: UnitCache): Step<void> {
    const lengthBytes = this.#end - this.#start;
    const buffer = pool.take(lengthBytes);
    const encoded = yield* readInto(this.storage, buffer.subarray(0, lengthBytes), this.#start);
    const calls = this.#units.map((unit) => {
      const at = unit.hostOffset - this.#start;
      const src = encoded.subarray(at, at + unit.encodedLengthBytes);
      const { decoder, hostOffset } = unit;
      return new DecodeCall(unit, src, (bytes) => {
        cache.set(this.storage, hostOffset, decoder, bytes);
      });
    });
    yield calls.length === 1 ? calls[0]! : new ParallelCalls(calls);
    // Given back only on success: after a failure an abandoned call might still look at it.
    pool.give(buffer);
  }
}

export class ReadBatch {
  readonly #pool: BufferPool;
  readonly #cache: UnitCache;
  #reads: HostRead[] = [];
  #groups: EncodedGroup[] = [];
  /** Guest bytes that wait for {@link run}. */
  pendingBytes = 0;

  constructor(pool: BufferPool, cache: UnitCache) {
    this.#pool = pool;
    this.#cache = cache;
  }

  /** Takes the part of `dst` that an extent covers: zeros at once, all else when {@link run}. */
  add(extent: Extent, dst: Uint8Array): void {
    if (extent.kind === 'data') this.#addData(extent.storage!, extent.hostOffset, dst);
    else if (extent.kind === 'encoded') this.#addEncoded(extent, dst);
    else dst.fill(0);
  }

  #addData(storage: Storage, hostOffset: number, dst: Uint8Array): void {
    this.pendingBytes += dst.length;
    if (this.#reads.at(-1)?.append(storage, hostOffset, dst)) return;
    this.#reads.push(new HostRead(storage, hostOffset, dst));
  }

  #addEncoded(extent: Extent, dst: Uint8Array): void {
    const storage = extent.storage!;
    const { hostOffset, encodedLengthBytes, unitLengthBytes, unitSkipBytes } = extent;
    const decoder = extent.decoder!;
    if (dst.length < unitLengthBytes) {
      const cached = this.#cache.get(storage, hostOffset, decoder, unitLengthBytes);
      if (cached !== undefined) {
        dst.set(cached.subarray(unitSkipBytes, unitSkipBytes + dst.length));
        return;
      }
    }
    this.pendingBytes += unitLengthBytes;
    const unit = { decoder, hostOffset, encodedLengthBytes, unitLengthBytes, unitSkipBytes, dst };
    if (this.#groups.at(-1)?.add(storage, unit)) return;
    const group = new EncodedGroup(storage);
    group.add(storage, unit);
    this.#groups.push(group);
  }

  /** Performs what was gathered and starts over empty. */
  *run(): Step<void> {
    const calls: HostCall[] = this.#reads;
    for (const group of this.#groups) {
      calls.push(stepCall(() => group.run(this.#pool, this.#cache)));
    }
    this.#reads = [];
    this.#groups = [];
    this.pendingBytes = 0;
    if (calls.length === 1) yield calls[0]!;
    else if (calls.length > 1) yield new ParallelCalls(calls);
  }
}
