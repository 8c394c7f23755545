/** Deterministic content for test disks. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/** A small generator of numbers that look random, the same for the same seed (xorshift32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 2_654_435_761) || 1;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return Math.floor(((this.#state >>> 0) / 2 ** 32) * limit);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  bytes(lengthBytes: number): Uint8Array {
    const bytes = new Uint8Array(lengthBytes);
    for (let at = 0; at < lengthBytes; at++) bytes[at] = this.below(256);
    return bytes;
  }
}

/** Writes a raw disk of stretches that are holes, zeros, random, one byte repeated, or text. */
export function writeMixedPayload(path: string, sizeBytes: number, seed: number): void {
  const random = new SeededRandom(seed);
  const fd = openSync(path, 'w');
  try {
    for (let at = 0; at < sizeBytes;) {
      const wanted = 512 * (1 + random.below(random.pick([4, 64, 512])));
      const length = Math.min(wanted, sizeBytes - at);
      const stretch = makeStretch(random, length);
      if (stretch !== undefined) writeSync(fd, stretch, 0, length, at);
      at += length;
    }
    ftruncateSync(fd, sizeBytes);
  } finally {
    closeSync(fd);
  }
}

function makeStretch(random: SeededRandom, lengthBytes: number): Uint8Array | undefined {
  switch (random.below(5)) {
    case 0:
      return undefined;
    case 1:
      return new Uint8Array(lengthBytes);
    case 2:
      return random.bytes(lengthBytes);
    case 3:
      return new Uint8Array(lengthBytes).fill(1 + random.below(255));
    default: {
      const phrase = new TextEncoder().encode(`line ${random.below(1000)} of a log\n`);
      return Uint8Array.from({ length: lengthBytes }, (_, at) => phrase[at % phrase.length]!);
    }
  }
}
