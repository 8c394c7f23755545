/** Small qcow2 images in memory, and what their disks hold. */
import { MemoryStorage, runSync } from '@diskfile/core';
import { qcow2Driver } from '@diskfile/qcow2';
import { SeededRandom } from '@diskfile/testkit';
import { checkDiskFileSync, DiskError, openDiskFileSync } from '../../../src/index.ts';
import type { CheckDiskFileOptions, DiskFileCheckReport } from '../../../src/index.ts';

export const CLUSTER_BYTES = 4096;
const DISK_BYTES = 96 * CLUSTER_BYTES;

export type ImageOptions = Readonly<Record<string, string | number | boolean>>;

export interface MemoryImage {
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
}

/** Has data in clusters 0 to 9 and 40 to 59, zeros in 20 to 24, all else as never written. */
export function makeImage(options: ImageOptions = {}): MemoryImage {
  const storage = new MemoryStorage(new Uint8Array(0), 'image');
  runSync(
    qcow2Driver.create!({
      storage,
      sizeBytes: DISK_BYTES,
      options: { cluster_size: CLUSTER_BYTES, ...options },
      backing: undefined,
      createNamed() {
        throw new DiskError('denied', 'test.named', 'the image is one file');
      },
    }),
  );
  const random = new SeededRandom(7);
  const disk = openDiskFileSync(storage, { readOnly: false });
  disk.writeSync(random.bytes(10 * CLUSTER_BYTES), 0);
  disk.writeSync(random.bytes(20 * CLUSTER_BYTES), 40 * CLUSTER_BYTES);
  disk.writeZeroesSync(20 * CLUSTER_BYTES, 5 * CLUSTER_BYTES, { mayUnmap: false });
  disk.closeSync();
  return { bytes: storage.bytes.slice(), content: readDisk(storage.bytes) };
}

/** The disk of an image; clusters that cannot be read are undefined. */
export function readClusters(bytes: Uint8Array): (Uint8Array | undefined)[] {
  using disk = openDiskFileSync(new MemoryStorage(bytes.slice(), 'image'), { format: 'qcow2' });
  return Array.from({ length: disk.sizeBytes / CLUSTER_BYTES }, (_, index) => {
    const cluster = new Uint8Array(CLUSTER_BYTES);
    try {
      disk.readSync(cluster, index * CLUSTER_BYTES);
      return cluster;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return undefined;
    }
  });
}

function readDisk(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat(readClusters(bytes).map((cluster) => cluster!)));
}

/** Clusters of the disk that are not as they should be. */
export function changedClusters(bytes: Uint8Array, content: Uint8Array): number[] {
  return readClusters(bytes).flatMap((cluster, index) => {
    const expected = content.subarray(index * CLUSTER_BYTES, (index + 1) * CLUSTER_BYTES);
    const isSame = cluster !== undefined && Buffer.compare(cluster, expected) === 0;
    return isSame ? [] : [index];
  });
}

/** Checks a copy in memory, and gives back what became of it. */
export function checkBytes(
  bytes: Uint8Array,
  options: CheckDiskFileOptions = {},
): { report: DiskFileCheckReport; bytes: Uint8Array } {
  const storage = new MemoryStorage(bytes.slice(), 'image');
  const report = checkDiskFileSync(storage, { format: 'qcow2', ...options });
  return { report, bytes: storage.bytes };
}

export function isClean({ checkErrors, corruptions, leaks }: DiskFileCheckReport): boolean {
  return checkErrors + corruptions + leaks === 0;
}
