/**
 * Encryption of whole sectors, each under its own number: AES in the modes XTS, CBC, CTR and ECB, with
 * the generators of initialisation vectors that LUKS names.
 */
import { DiskError, expandTweaks, writeU32le, writeU64le, xorInto } from '@diskfile/bytes';
import type { BlockCipher, CryptoProvider } from './provider.ts';

export const SECTOR_BYTES = 512;
const BLOCK_BYTES = 16;
const BLOCKS_PER_SECTOR = SECTOR_BYTES / BLOCK_BYTES;
/** Sectors worked on at a time: their tweaks stay in the processor's cache. */
const SECTORS_PER_CHUNK = 64;

export interface SectorCipher {
  /** Encrypts whole sectors where they are. */
  encrypt(bytes: Uint8Array, firstSector: number): void;
  decrypt(bytes: Uint8Array, firstSector: number): void;
}

export interface CipherSpec {
  /** `aes` is the only one that the platforms have. */
  readonly cipher: string;
  readonly mode: string;
  /** Undefined for a mode that needs none. */
  readonly ivGenerator: string | undefined;
  /** Of the generator `essiv`. */
  readonly ivHash: string | undefined;
}

/** Fills 16 bytes for each sector: what the first block is mixed with. */
type IvGenerator = (firstSector: number, ivs: Uint8Array) => void;

/** @throws DiskError `unsupported` for what is not there, `corrupt` for a key that does not fit */
export function sectorCipher(
  provider: CryptoProvider,
  spec: CipherSpec,
  key: Uint8Array,
): SectorCipher {
  if (spec.cipher !== 'aes') throw unsupported('cipher', spec.cipher, 'aes');
  const { mode } = spec;
  const aesKey = mode === 'xts' ? key.subarray(0, key.length / 2) : key;
  if (![16, 24, 32].includes(aesKey.length)) {
    throw new DiskError(
      'unsupported',
      'crypto.key-length',
      `AES in the mode ${mode} takes no key of ${key.length * 8} bits`,
    );
  }
  const blocks = provider.blockCipher(aesKey);
  if (mode === 'ecb') return new EcbCipher(blocks);
  const generator = ivGenerator(provider, spec, key);
  if (mode === 'xts') {
    return new XtsCipher(blocks, provider.blockCipher(key.subarray(key.length / 2)), generator);
  }
  if (mode === 'cbc') return new CbcCipher(blocks, provider.chainedCipher(aesKey), generator);
  if (mode === 'ctr') return new CtrCipher(blocks, generator);
  throw unsupported('mode', mode, 'xts, cbc, ctr, ecb');
}

function ivGenerator(
  provider: CryptoProvider,
  { ivGenerator: name, ivHash = 'sha256' }: CipherSpec,
  key: Uint8Array,
): IvGenerator {
  if (name === 'plain64') return writeNumbers;
  if (name === 'plain') return writeShortNumbers;
  if (name !== 'essiv') throw unsupported('IV generator', name ?? 'none', 'plain, plain64, essiv');
  if (!provider.hasHash(ivHash)) throw unsupported('hash', ivHash, 'sha1, sha256, sha512');
  const salt = provider.hash(ivHash, key);
  if (![16, 24, 32].includes(salt.length)) throw unsupported('hash for essiv', ivHash, 'sha256');
  const salted = provider.blockCipher(salt);
  return (firstSector, ivs) => {
    writeNumbers(firstSector, ivs);
    ivs.set(salted.encrypt(ivs));
  };
}

/** The sector's number in 64 bits, little endian, and zeros. */
function writeNumbers(firstSector: number, ivs: Uint8Array): void {
  ivs.fill(0);
  for (let at = 0; at < ivs.length; at += BLOCK_BYTES) {
    writeU64le(ivs, at, firstSector + at / BLOCK_BYTES);
  }
}

/** The same in 32 bits: it begins anew after 2 TiB. */
function writeShortNumbers(firstSector: number, ivs: Uint8Array): void {
  ivs.fill(0);
  for (let at = 0; at < ivs.length; at += BLOCK_BYTES) {
    writeU32le(ivs, at, (firstSector + at / BLOCK_BYTES) % 0x1_0000_0000);
  }
}

class EcbCipher implements SectorCipher {
  readonly #blocks: BlockCipher;

  constructor(blocks: BlockCipher) {
    this.#blocks = blocks;
  }

  encrypt(bytes: Uint8Array): void {
    bytes.set(this.#blocks.encrypt(bytes));
  }

  decrypt(bytes: Uint8Array): void {
    bytes.set(this.#blocks.decrypt(bytes));
  }
}

/** Calls `work` for pieces of at most a chunk, with the vectors of their sectors. */
function forChunks(
  bytes: Uint8Array,
  firstSector: number,
  ivs: Uint8Array,
  generate: IvGenerator,
  work: (chunk: Uint8Array, ivs: Uint8Array) => void,
): void {
  const chunkBytes = SECTORS_PER_CHUNK * SECTOR_BYTES;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes);
    const own = ivs.subarray(0, (chunk.length / SECTOR_BYTES) * BLOCK_BYTES);
    generate(firstSector + at / SECTOR_BYTES, own);
    work(chunk, own);
  }
}

/** IEEE 1619-2007, section 5.3. Whole sectors need no ciphertext stealing. */
class XtsCipher implements SectorCipher {
  readonly #data: BlockCipher;
  readonly #tweak: BlockCipher;
  readonly #generate: IvGenerator;
  readonly #ivs = new Uint8Array(SECTORS_PER_CHUNK * BLOCK_BYTES);
  readonly #tweaks = new Uint8Array(SECTORS_PER_CHUNK * SECTOR_BYTES);

  constructor(data: BlockCipher, tweak: BlockCipher, generate: IvGenerator) {
    this.#data = data;
    this.#tweak = tweak;
    this.#generate = generate;
  }

  encrypt(bytes: Uint8Array, firstSector: number): void {
    this.#work(bytes, firstSector, this.#data.encrypt);
  }

  decrypt(bytes: Uint8Array, firstSector: number): void {
    this.#work(bytes, firstSector, this.#data.decrypt);
  }

  #work(bytes: Uint8Array, firstSector: number, cipher: BlockCipher['encrypt']): void {
    forChunks(bytes, firstSector, this.#ivs, this.#generate, (chunk, ivs) => {
      const tweaks = this.#tweaks.subarray(0, chunk.length);
      expandTweaks(this.#tweak.encrypt(ivs), BLOCKS_PER_SECTOR, tweaks);
      xorInto(chunk, tweaks);
      chunk.set(cipher(chunk));
      xorInto(chunk, tweaks);
    });
  }
}

class CbcCipher implements SectorCipher {
  readonly #blocks: BlockCipher;
  readonly #chained: ReturnType<CryptoProvider['chainedCipher']>;
  readonly #generate: IvGenerator;
  readonly #ivs = new Uint8Array(SECTORS_PER_CHUNK * BLOCK_BYTES);
  readonly #before = new Uint8Array(SECTORS_PER_CHUNK * SECTOR_BYTES);

  constructor(
    blocks: BlockCipher,
    chained: ReturnType<CryptoProvider['chainedCipher']>,
    generate: IvGenerator,
  ) {
    this.#blocks = blocks;
    this.#chained = chained;
    this.#generate = generate;
  }

  encrypt(bytes: Uint8Array, firstSector: number): void {
    forChunks(bytes, firstSector, this.#ivs, this.#generate, (chunk, ivs) => {
      for (let at = 0, iv = 0; at < chunk.length; at += SECTOR_BYTES, iv += BLOCK_BYTES) {
        const sector = chunk.subarray(at, at + SECTOR_BYTES);
        sector.set(this.#chained.encrypt(sector, ivs.subarray(iv, iv + BLOCK_BYTES)));
      }
    });
  }

  /** All blocks at once, then each is mixed with the encrypted one before it. */
  decrypt(bytes: Uint8Array, firstSector: number): void {
    forChunks(bytes, firstSector, this.#ivs, this.#generate, (chunk, ivs) => {
      const before = this.#before.subarray(0, chunk.length);
      before.set(chunk.subarray(0, chunk.length - BLOCK_BYTES), BLOCK_BYTES);
      for (let at = 0, iv = 0; at < chunk.length; at += SECTOR_BYTES, iv += BLOCK_BYTES) {
        before.set(ivs.subarray(iv, iv + BLOCK_BYTES), at);
      }
      chunk.set(this.#blocks.decrypt(chunk));
      xorInto(chunk, before);
    });
  }
}

/** Encrypting and decrypting are the same: the stream that a counter becomes is mixed in. */
class CtrCipher implements SectorCipher {
  readonly #blocks: BlockCipher;
  readonly #generate: IvGenerator;
  readonly #ivs = new Uint8Array(SECTORS_PER_CHUNK * BLOCK_BYTES);
  readonly #counters = new Uint8Array(SECTORS_PER_CHUNK * SECTOR_BYTES);

  constructor(blocks: BlockCipher, generate: IvGenerator) {
    this.#blocks = blocks;
    this.#generate = generate;
  }

  encrypt(bytes: Uint8Array, firstSector: number): void {
    forChunks(bytes, firstSector, this.#ivs, this.#generate, (chunk, ivs) => {
      const counters = this.#counters.subarray(0, chunk.length);
      for (let at = 0, iv = 0; at < chunk.length; at += SECTOR_BYTES, iv += BLOCK_BYTES) {
        countUp(ivs.subarray(iv, iv + BLOCK_BYTES), counters.subarray(at, at + SECTOR_BYTES));
      }
      xorInto(chunk, this.#blocks.encrypt(counters));
    });
  }

  decrypt(bytes: Uint8Array, firstSector: number): void {
    this.encrypt(bytes, firstSector);
  }
}

/** A counter of 128 bits, big endian, for each block. `iv` is used up. */
function countUp(iv: Uint8Array, counters: Uint8Array): void {
  for (let at = 0; at < counters.length; at += BLOCK_BYTES) {
    counters.set(iv, at);
    let byte = BLOCK_BYTES - 1;
    while (byte >= 0 && iv[byte] === 255) {
      iv[byte] = 0;
      byte -= 1;
    }
    if (byte >= 0) iv[byte]! += 1;
  }
}

function unsupported(what: string, name: string, known: string): DiskError {
  return new DiskError(
    'unsupported',
    'crypto.not-there',
    `The ${what} ${JSON.stringify(name)} is not available`,
    { hint: `Available: ${known}.` },
  );
}
