/** Encryption where there is no `node:crypto`: the noble libraries, in plain JavaScript. */
import { DiskError } from '@diskfile/bytes';
import { hostCall, type Step } from '@diskfile/core';
import type {
  BlockCipher,
  ChainedCipher,
  CryptoProvider,
  HashName,
  KeyDerivation,
} from './provider.ts';

type Aes = typeof import('@noble/ciphers/aes.js');
type Pbkdf2 = typeof import('@noble/hashes/pbkdf2.js');
type Sha2 = typeof import('@noble/hashes/sha2.js');
type Legacy = typeof import('@noble/hashes/legacy.js');
type Hash = Sha2['sha256'] | Sha2['sha512'] | Legacy['sha1'];

const UNPADDED = { disablePadding: true };

export function* loadPortableProvider(): Step<CryptoProvider> {
  return yield* hostCall(() => {
    throw cannotLoadNow();
  }, importProvider);
}

async function importProvider(): Promise<CryptoProvider> {
  const [aes, pbkdf2, sha2, legacy] = await Promise.all([
    import('@noble/ciphers/aes.js'),
    import('@noble/hashes/pbkdf2.js'),
    import('@noble/hashes/sha2.js'),
    import('@noble/hashes/legacy.js'),
  ]);
  return new PortableProvider(aes, pbkdf2, { ...sha2, ...legacy });
}

class PortableProvider implements CryptoProvider {
  readonly name = 'noble';
  readonly #aes: Aes;
  readonly #pbkdf2: Pbkdf2;
  readonly #hashes: Readonly<Record<HashName, Hash>>;

  constructor(aes: Aes, pbkdf2: Pbkdf2, hashes: Sha2 & Legacy) {
    const { sha1, sha224, sha256, sha384, sha512, ripemd160, md5 } = hashes;
    this.#aes = aes;
    this.#pbkdf2 = pbkdf2;
    this.#hashes = { sha1, sha224, sha256, sha384, sha512, ripemd160, md5 };
  }

  hasHash(name: string): name is HashName {
    return Object.hasOwn(this.#hashes, name);
  }

  hash(name: HashName, bytes: Uint8Array): Uint8Array {
    return this.#hashes[name](bytes);
  }

  blockCipher(key: Uint8Array): BlockCipher {
    const { ecb } = this.#aes;
    return {
      encrypt: (blocks) => ecb(key, UNPADDED).encrypt(blocks),
      decrypt: (blocks) => ecb(key, UNPADDED).decrypt(blocks),
    };
  }

  chainedCipher(key: Uint8Array): ChainedCipher {
    const { cbc } = this.#aes;
    return { encrypt: (blocks, iv) => cbc(key, iv, UNPADDED).encrypt(blocks) };
  }

  deriveKey({ hash, password, salt, iterations, lengthBytes }: KeyDerivation): Step<Uint8Array> {
    const options = { c: iterations, dkLen: lengthBytes };
    const implementation = this.#hashes[hash];
    return hostCall(
      () => this.#pbkdf2.pbkdf2(implementation, password, salt, options),
      () => this.#pbkdf2.pbkdf2Async(implementation, password, salt, options),
    );
  }
}

function cannotLoadNow(): DiskError {
  return new DiskError(
    'unsupported',
    'crypto.load',
    'Encryption cannot be loaded synchronously here',
    { hint: 'Open the disk asynchronously.' },
  );
}
