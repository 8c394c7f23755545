/** What encryption needs of the platform. */
import type { Step } from '@diskfile/core';

export type HashName = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512' | 'ripemd160' | 'md5';

/** AES on whole blocks of 16 bytes, each for itself. */
export interface BlockCipher {
  /** @returns new bytes */
  encrypt(blocks: Uint8Array): Uint8Array;
  decrypt(blocks: Uint8Array): Uint8Array;
}

/** AES with each block chained to the one before (CBC). */
export interface ChainedCipher {
  /** @returns new bytes */
  encrypt(blocks: Uint8Array, iv: Uint8Array): Uint8Array;
}

export interface KeyDerivation {
  readonly hash: HashName;
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly lengthBytes: number;
}

export interface CryptoProvider {
  readonly name: 'node:crypto' | 'noble';
  hasHash(name: string): name is HashName;
  hash(name: HashName, bytes: Uint8Array): Uint8Array;
  /** @param key of 16, 24 or 32 bytes */
  blockCipher(key: Uint8Array): BlockCipher;
  chainedCipher(key: Uint8Array): ChainedCipher;
  /** PBKDF2 with HMAC (RFC 8018). */
  deriveKey(derivation: KeyDerivation): Step<Uint8Array>;
}
