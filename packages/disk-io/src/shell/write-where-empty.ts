/** Compressed writes beside data that is there already. */
import { DiskError, type DiskCompression } from 'diskfile';

/** Clusters of a request that QEMU compresses side by side. */
const PARALLEL_UNITS = 8;

/** What is begun beside a cluster that is refused is written all the same. */
export async function writeWhereEmpty(
  compression: DiskCompression,
  bytes: Uint8Array,
  offset: number,
): Promise<void> {
  const { unitBytes } = compression;
  let refusal: DiskError | undefined;
  let end = bytes.length;
  for (let at = 0; at < end;) {
    try {
      await compression.write(bytes.subarray(at, end), offset + at);
      break;
    } catch (error) {
      const isRefusal = error instanceof DiskError && error.detail === 'qcow2.compressed-overwrite';
      if (!isRefusal) throw error;
      refusal ??= error;
      end = Math.min(end, PARALLEL_UNITS * unitBytes);
      at = error.context.offset! - offset + unitBytes;
    }
  }
  if (refusal !== undefined) throw refusal;
}
