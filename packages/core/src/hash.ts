/** Digests that images keep of their content. The platform computes them; formats only compare. */

export type HashAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512';

export interface Hash {
  update(bytes: Uint8Array): unknown;
  /** Ends the hash. */
  digest(): Uint8Array;
}

export type MakeHash = (algorithm: HashAlgorithm) => Hash;
