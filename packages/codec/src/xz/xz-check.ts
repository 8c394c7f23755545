/** The checks that xz keeps of what a block holds (".xz file format", section 2.1.1.2). */
import { builtinModule, crc32, crc64, readU32le } from '@diskfile/bytes';
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

interface Crypto {
  createHash(algorithm: 'sha256'): { update(bytes: Uint8Array): { digest(): Uint8Array } };
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

/**
 * Compares `content` with the check that lies at `at` of `src`. SHA-256 counts for nothing where
 * the platform has none.
 */
export function verifyXzCheck(
  check: XzCheck,
  content: Uint8Array,
  src: Uint8Array,
  at: number,
): void {
  if (at + LENGTH_BYTES[check] > src.length) throw brokenXz('it ends within a check');
  if (!holds(check, content, src, at)) throw brokenXz(`the ${check} of a block does not match`);
}

function holds(check: XzCheck, content: Uint8Array, src: Uint8Array, at: number): boolean {
  if (check === 'none') return true;
  if (check === 'crc32') return crc32(content) === readU32le(src, at);
  if (check === 'crc64') {
    const { high, low } = crc64(content);
    return low === readU32le(src, at) && high === readU32le(src, at + 4);
  }
  const digest = builtinModule<Crypto>('node:crypto')
    ?.createHash('sha256')
    .update(content)
    .digest();
  return digest === undefined || digest.every((byte, index) => byte === src[at + index]);
}
