/** The upper levels of the digest's hash tree: segment digests in, root out. */
import { createHash, hash } from 'node:crypto';

export const DIGEST_BYTES = 32;
export const LEAF_BYTES = 256 * 1024;
export const LEAVES_PER_SEGMENT = 32;
export const SEGMENT_BYTES = LEAF_BYTES * LEAVES_PER_SEGMENT;
/** Digests that one node above the segments covers. */
export const FAN_OUT = 1024;

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

/** Digest of a whole leaf of zeros. */
export const ZERO_LEAF = sha256(new Uint8Array(LEAF_BYTES));
/** Digest of a whole segment of zeros. */
export const ZERO_SEGMENT = sha256(repeated(ZERO_LEAF, LEAVES_PER_SEGMENT));

function repeated(digest: Uint8Array, count: number): Uint8Array {
  const digests = new Uint8Array(DIGEST_BYTES * count);
  for (let index = 0; index < count; index++) digests.set(digest, index * DIGEST_BYTES);
  return digests;
}

/** The digests of one level that wait for their node above. */
class Level {
  readonly #zero: Uint8Array;
  readonly #digests = new Uint8Array(FAN_OUT * DIGEST_BYTES);
  #count = 0;
  #above: Level | undefined;

  /** @param zero digest at this level of nothing but zeros */
  constructor(zero: Uint8Array) {
    this.#zero = zero;
  }

  add(digest: Uint8Array): void {
    this.#digests.set(digest, this.#count * DIGEST_BYTES);
    this.#count += 1;
    if (this.#count === FAN_OUT) this.#closeNode();
  }

  addZeros(count: number): void {
    let remaining = count;
    while (remaining > 0 && (this.#count > 0 || remaining < FAN_OUT)) {
      this.add(this.#zero);
      remaining -= 1;
    }
    // Whole nodes of zeros: these go up without being looked at one by one.
    const nodes = Math.floor(remaining / FAN_OUT);
    if (nodes === 0) return;
    this.#levelAbove().addZeros(nodes);
    this.addZeros(remaining - nodes * FAN_OUT);
  }

  /** The root, once everything has been added. */
  root(): Uint8Array {
    if (this.#above === undefined && this.#count === 1) return this.#digests.slice(0, DIGEST_BYTES);
    if (this.#count > 0) this.#closeNode();
    return this.#above === undefined ? sha256(new Uint8Array(0)) : this.#above.root();
  }

  #closeNode(): void {
    const node = sha256(this.#digests.subarray(0, this.#count * DIGEST_BYTES));
    this.#count = 0;
    this.#levelAbove().add(node);
  }

  #levelAbove(): Level {
    this.#above ??= new Level(sha256(repeated(this.#zero, FAN_OUT)));
    return this.#above;
  }
}

/** Takes segment digests in the order of the disk. */
export class DigestTree {
  readonly #segments = new Level(ZERO_SEGMENT);

  /** Adds the digests of neighbouring segments, one after another in `digests`. */
  addSegments(digests: Uint8Array): void {
    for (let at = 0; at < digests.length; at += DIGEST_BYTES) {
      this.#segments.add(digests.subarray(at, at + DIGEST_BYTES));
    }
  }

  /** Adds `count` whole segments of zeros, in a time that hardly depends on `count`. */
  addZeroSegments(count: number): void {
    this.#segments.addZeros(count);
  }

  /** The digest of the disk. Nothing can be added afterwards. */
  finish(sizeBytes: number): string {
    const size = new DataView(new ArrayBuffer(8));
    size.setBigUint64(0, BigInt(sizeBytes));
    const digest = createHash('sha256')
      .update('diskfile-v1\0')
      .update(new Uint8Array(size.buffer))
      .update(this.#segments.root())
      .digest('hex');
    return `diskfile-v1:${digest}`;
  }
}
