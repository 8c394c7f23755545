/** Writes tiny images of qcow version 1 from a description. */
import { deflateRawSync } from 'node:zlib';
import { writeU32be, writeU64be } from '@diskfile/bytes';

export interface ClusterSpec {
  readonly kind: 'unallocated' | 'data' | 'compressed';
  /** Seed of the content. */
  readonly fill: number;
}

/** Content of a cluster by its seed: not periodic, compresses to about a half. */
export function contentOf(fill: number, lengthBytes: number): Uint8Array {
  let state = fill * 2_654_435_761 + 1;
  return Uint8Array.from({ length: lengthBytes }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(state / 2 ** 16) % 16;
  });
}

export interface ImageSpec {
  readonly clusterBits?: number;
  readonly l2Bits?: number;
  readonly clusters: readonly ClusterSpec[];
  readonly sizeBytes?: number;
  readonly cryptMethod?: number;
  readonly backing?: string;
}

const HEADER_BYTES = 48;
const L1_OFFSET = 512;

/** Like QEMU, puts neither tables nor compressed clusters at multiples of anything. */
export function writeImage(spec: ImageSpec): { bytes: Uint8Array; l2Offset: number } {
  const { clusterBits = 9, l2Bits = 6, clusters } = spec;
  const clusterBytes = 2 ** clusterBits;
  const l2Entries = 2 ** l2Bits;
  const sizeBytes = spec.sizeBytes ?? clusters.length * clusterBytes;
  const l1Entries = Math.ceil(sizeBytes / clusterBytes / l2Entries);
  const l2Offset = L1_OFFSET + l1Entries * 8;
  const tables = Math.ceil(clusters.length / l2Entries);
  let end = l2Offset + tables * l2Entries * 8;
  const bytes = new Uint8Array(end + (clusters.length + 1) * (clusterBytes + 1024));
  const view = new DataView(bytes.buffer);
  for (let table = 0; table < tables; table++) {
    writeU64be(bytes, L1_OFFSET + table * 8, l2Offset + table * l2Entries * 8);
  }
  for (const [index, { kind, fill }] of clusters.entries()) {
    const content = contentOf(fill, clusterBytes);
    const at = l2Offset + index * 8;
    if (kind === 'data') {
      end = Math.ceil(end / 512) * 512;
      bytes.set(content, end);
      writeU64be(bytes, at, end);
      end += clusterBytes;
    } else if (kind === 'compressed') {
      const encoded = deflateRawSync(content, { windowBits: 12 });
      bytes.set(encoded, end);
      const lengthField = BigInt(encoded.length) << BigInt(63 - clusterBits);
      view.setBigUint64(at, (1n << 63n) | lengthField | BigInt(end));
      end += encoded.length;
    }
  }
  writeU32be(bytes, 0, 0x5146_49fb);
  writeU32be(bytes, 4, 1);
  writeU64be(bytes, 24, sizeBytes);
  bytes[32] = clusterBits;
  bytes[33] = l2Bits;
  writeU32be(bytes, 36, spec.cryptMethod ?? 0);
  writeU64be(bytes, 40, L1_OFFSET);
  if (spec.backing !== undefined) {
    const name = new TextEncoder().encode(spec.backing);
    writeU64be(bytes, 8, HEADER_BYTES);
    writeU32be(bytes, 16, name.length);
    bytes.set(name, HEADER_BYTES);
  }
  return { bytes: bytes.slice(0, end), l2Offset };
}
