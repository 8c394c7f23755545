/** Checksums of guest files. */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'diskfile';

export const CHECKSUM_ALGORITHMS = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const;

export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];

const CHUNK_BYTES = 1024 * 1024;

/** Hashes files one after another with one buffer. */
export class Checksummer {
  readonly algorithm: ChecksumAlgorithm;
  readonly #buffer = new Uint8Array(CHUNK_BYTES);

  constructor(algorithm: ChecksumAlgorithm) {
    this.algorithm = algorithm;
  }

  /** Digest of a whole file in hexadecimal. */
  digest(file: FileHandle): string {
    const hash = createHash(this.algorithm);
    for (let offset = 0; ;) {
      const lengthBytes = file.readSync(this.#buffer, offset);
      if (lengthBytes === 0) return hash.digest('hex');
      hash.update(this.#buffer.subarray(0, lengthBytes));
      offset += lengthBytes;
    }
  }
}
