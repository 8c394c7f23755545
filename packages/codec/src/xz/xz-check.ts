/** The checks that xz keeps of what a block holds (".xz file format", section 2.1.1.2). */
import {
  builtinModule,
  CRC64_START,
  type Crc64,
  crc32Raw,
  crc64Raw,
  readU32le,
  xorBits,
} from '@diskfile/bytes';
import { brokenXz, unsupportedXz } from './broken-xz.ts';

export type XzCheck = 'none' | 'crc32' | 'crc64' | 'sha256';

/** By their ids; formats of the future may use those between. */
const BY_ID: Readonly<Record<number, XzCheck>> = {
  0: 'none',
  1: 'crc32',
  4: 'crc64',
  10: 'sha256',
};
const LENGTH_BYTES = { none: 0, crc32: 4, crc64: 8, sha256: 32 } as const;
const ALL_ONES = 0xffff_ffff;

interface Sha256 {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

interface Crypto {
  createHash(algorithm: 'sha256'): Sha256;
}

/** @throws DiskError `unsupported` for an id that stands for no check yet */
export function xzCheckById(id: number): XzCheck {
  const check = BY_ID[id];
  if (check === undefined) throw unsupportedXz(`uses a check of an unknown kind (${id})`);
  return check;
}

export function checkLengthBytes(check: XzCheck): number {
  return LENGTH_BYTES[check];
}

/** Where the check of a block stands after part of it. */
export interface CheckState {
  readonly crc32: number;
  readonly crc64: Crc64;
}

/**
 * Looks at the content of a block, in pieces, and compares. SHA-256 counts for nothing where the
 * platform has none, and in blocks that were gone on with in the middle.
 */
export class BlockCheck {
  readonly kind: XzCheck;
  #crc32: number;
  #crc64: Crc64;
  readonly #sha256: Sha256 | undefined;

  constructor(kind: XzCheck, goOn?: CheckState) {
    this.kind = kind;
    this.#crc32 = goOn?.crc32 ?? ALL_ONES;
    this.#crc64 = goOn?.crc64 ?? CRC64_START;
    if (kind === 'sha256' && goOn === undefined) {
      this.#sha256 = builtinModule<Crypto>('node:crypto')?.createHash('sha256');
    }
  }

  get state(): CheckState {
    return { crc32: this.#crc32, crc64: this.#crc64 };
  }

  update(content: Uint8Array): void {
    if (this.kind === 'crc32') this.#crc32 = crc32Raw(content, this.#crc32);
    else if (this.kind === 'crc64') this.#crc64 = crc64Raw(content, this.#crc64);
    else this.#sha256?.update(content);
  }

  /** Compares with the check that lies at `at` of `src`. */
  verify(src: Uint8Array, at: number): void {
    if (at + LENGTH_BYTES[this.kind] > src.length) throw brokenXz('it ends within a check');
    if (!this.#holds(src, at)) throw brokenXz(`the ${this.kind} of a block does not match`);
  }

  #holds(src: Uint8Array, at: number): boolean {
    if (this.kind === 'crc32') return xorBits(this.#crc32, ALL_ONES) === readU32le(src, at);
    if (this.kind === 'crc64') {
      const { high, low } = this.#crc64;
      const isLow = xorBits(low, ALL_ONES) === readU32le(src, at);
      return isLow && xorBits(high, ALL_ONES) === readU32le(src, at + 4);
    }
    const digest = this.#sha256?.digest();
    return digest === undefined || digest.every((byte, index) => byte === src[at + index]);
  }
}
