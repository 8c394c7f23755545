/** Encryption by `node:crypto`. */
import { builtinModule } from '@diskfile/bytes';
import { hostCall, type Step } from '@diskfile/core';
import type {
  BlockCipher,
  ChainedCipher,
  CryptoProvider,
  HashName,
  KeyDerivation,
} from './provider.ts';

interface Cipher {
  update(bytes: Uint8Array): Uint8Array;
  setAutoPadding(padding: boolean): unknown;
}

/** The part of `node:crypto` that is used here. */
interface NodeCrypto {
  getHashes(): string[];
  createHash(name: string): { update(bytes: Uint8Array): { digest(): Uint8Array } };
  createSecretKey(key: Uint8Array): object;
  createCipheriv(name: string, key: object, iv: Uint8Array | null): Cipher;
  createDecipheriv(name: string, key: object, iv: Uint8Array | null): Cipher;
  pbkdf2Sync(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    lengthBytes: number,
    hash: string,
  ): Uint8Array;
  pbkdf2(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    lengthBytes: number,
    hash: string,
    done: (error: Error | null, key: Uint8Array) => void,
  ): void;
}

/** OpenSSL lists RIPEMD-160 under another name, if it has it at all. */
const NAMES: Readonly<Record<string, string>> = { ripemd160: 'rmd160' };

export function nativeProvider(): CryptoProvider | undefined {
  const crypto = builtinModule<NodeCrypto>('node:crypto');
  return crypto && new NativeProvider(crypto);
}

class NativeProvider implements CryptoProvider {
  readonly name = 'node:crypto';
  readonly #crypto: NodeCrypto;
  readonly #hashes: ReadonlySet<string>;

  constructor(crypto: NodeCrypto) {
    this.#crypto = crypto;
    this.#hashes = new Set(crypto.getHashes());
  }

  hasHash(name: string): name is HashName {
    return this.#hashes.has(name) || this.#hashes.has(NAMES[name] ?? name);
  }

  hash(name: HashName, bytes: Uint8Array): Uint8Array {
    return this.#crypto.createHash(name).update(bytes).digest();
  }

  blockCipher(key: Uint8Array): BlockCipher {
    const crypto = this.#crypto;
    const name = `aes-${key.length * 8}-ecb`;
    const secret = crypto.createSecretKey(key);
    // Without padding and chaining there is no state between calls, so one of each is enough.
    const encipher = crypto.createCipheriv(name, secret, null);
    const decipher = crypto.createDecipheriv(name, secret, null);
    encipher.setAutoPadding(false);
    decipher.setAutoPadding(false);
    return {
      encrypt: (blocks) => encipher.update(blocks),
      decrypt: (blocks) => decipher.update(blocks),
    };
  }

  chainedCipher(key: Uint8Array): ChainedCipher {
    const crypto = this.#crypto;
    const name = `aes-${key.length * 8}-cbc`;
    const secret = crypto.createSecretKey(key);
    return {
      encrypt(blocks, iv) {
        const cipher = crypto.createCipheriv(name, secret, iv);
        cipher.setAutoPadding(false);
        return cipher.update(blocks);
      },
    };
  }

  deriveKey({ hash, password, salt, iterations, lengthBytes }: KeyDerivation): Step<Uint8Array> {
    const crypto = this.#crypto;
    return hostCall(
      () => crypto.pbkdf2Sync(password, salt, iterations, lengthBytes, hash),
      () =>
        new Promise((resolve, reject) => {
          crypto.pbkdf2(password, salt, iterations, lengthBytes, hash, (error, key) => {
            if (error === null) resolve(key);
            else reject(error);
          });
        }),
    );
  }
}
