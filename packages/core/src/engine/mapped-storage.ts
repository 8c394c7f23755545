/** What an {@link ExtentMap} maps, as a storage: the units of a compressed file, a part of an archive. */
import type { ExtentMap } from '../format/format-image.ts';
import type { Limits } from '../limits.ts';
import { asStorage } from '../source-storage.ts';
import type { Storage } from '../storage.ts';
import { MappedReader } from './mapped-reader.ts';

export interface MappedStorageOptions {
  readonly limits: Limits;
  /** As {@link Storage.startOffset}, where the bytes lie in the file together. */
  readonly startOffset?: number;
  readonly isDecoded?: boolean;
}

/**
 * Reads through `map`. Closing it does nothing: whoever opened the host file closes that.
 * @param host where the bytes come from; its name is the new storage's
 */
export function mappedStorage(
  host: Storage,
  map: ExtentMap,
  { limits, startOffset, isDecoded = false }: MappedStorageOptions,
): Storage {
  const reader = new MappedReader([map], limits);
  return asStorage(
    {
      name: host.name,
      sizeBytes: map.sizeBytes,
      synchronous: host.synchronous,
      readSync: (dst, offset) => reader.readSync(dst, offset),
      read: (dst, offset) => reader.read(dst, offset),
    },
    { isDecoded, ...(startOffset === undefined ? {} : { startOffset }) },
  );
}
