/** The digest as docs/digest.md defines it, over bytes in memory and without any shortcut. */
import { createHash } from 'node:crypto';

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export function referenceDigest(bytes: Uint8Array): string {
  const leaves: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 262_144) {
    leaves.push(sha256(bytes.subarray(at, at + 262_144)));
  }
  return referenceResult(bytes.length, grouped(leaves, 32));
}

/** A disk of zeros that is too large for memory. @param sizeBytes a multiple of 8 MiB */
export function referenceDigestOfZeros(sizeBytes: number): string {
  const leaf = sha256(new Uint8Array(262_144));
  const segment = sha256(...Array.from({ length: 32 }, () => leaf));
  const segments = Array.from({ length: sizeBytes / 8_388_608 }, () => segment);
  return referenceResult(sizeBytes, segments);
}

function referenceResult(sizeBytes: number, segments: Buffer[]): string {
  let level = segments;
  while (level.length > 1) level = grouped(level, 1024);
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(sizeBytes));
  const root = level[0] ?? sha256();
  return `diskfile-v1:${sha256(Buffer.from('diskfile-v1\0'), size, root).toString('hex')}`;
}

function grouped(digests: readonly Buffer[], count: number): Buffer[] {
  const groups: Buffer[] = [];
  for (let at = 0; at < digests.length; at += count) {
    groups.push(sha256(...digests.slice(at, at + count)));
  }
  return groups;
}
