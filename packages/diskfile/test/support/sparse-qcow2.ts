/** Large qcow2 images that hold next to nothing, made by hand. */
import { divideUp, writeU32be, writeU64be } from '@diskfile/bytes';

export const CLUSTER_BYTES = 65536;
const L2_ENTRIES = CLUSTER_BYTES / 8;
/** L1 and L2 entries: the cluster is used once. */
const COPIED = 2 ** 63;

export interface SparseQcow2 {
  readonly sizeBytes: number;
  /** L2 entries of the first 512 MiB by index, without the flag for used once. */
  readonly l2Entries?: Readonly<Record<number, number>>;
}

/** Clusters: header, L2 table, one cluster of data (see {@link DATA_CLUSTER}), L1 table. */
export const DATA_CLUSTER = 2 * CLUSTER_BYTES;

/** A version 3 image. The data cluster is full of ones. */
export function sparseQcow2({ sizeBytes, l2Entries }: SparseQcow2): Uint8Array {
  const l1Entries = divideUp(sizeBytes, CLUSTER_BYTES * L2_ENTRIES);
  const l1Offset = 3 * CLUSTER_BYTES;
  const image = new Uint8Array(l1Offset + divideUp(l1Entries * 8, CLUSTER_BYTES) * CLUSTER_BYTES);
  image.set([0x51, 0x46, 0x49, 0xfb]);
  writeU32be(image, 4, 3);
  writeU32be(image, 20, 16);
  writeU64be(image, 24, sizeBytes);
  writeU32be(image, 36, l1Entries);
  writeU64be(image, 40, l1Offset);
  writeU64be(image, 48, CLUSTER_BYTES);
  writeU32be(image, 56, 1);
  writeU32be(image, 96, 4);
  writeU32be(image, 100, 104);
  if (l2Entries === undefined) return image;
  const table = new DataView(image.buffer);
  table.setBigUint64(l1Offset, BigInt(COPIED) + BigInt(CLUSTER_BYTES));
  for (const [index, hostOffset] of Object.entries(l2Entries)) {
    const entry = BigInt(COPIED) + BigInt(hostOffset);
    table.setBigUint64(CLUSTER_BYTES + Number(index) * 8, entry);
  }
  image.fill(1, DATA_CLUSTER, DATA_CLUSTER + CLUSTER_BYTES);
  return image;
}
