/** What is known of a disk that keeps nothing. */
import type { BlockStatus, DiskCapabilities, DiskFile, Storage } from '@diskfile/core';
import { DiskFilter } from './disk-filter.ts';
import { NullStorage } from './null-storage.ts';

/** The disk itself, or what is known of it where its bytes are kept nowhere. */
export function withoutKept(disk: DiskFile, storage: Storage, format: string): DiskFile {
  if (!(storage instanceof NullStorage)) return disk;
  return new NullDisk(disk, format, storage.readsZeroes);
}

class NullDisk extends DiskFilter {
  readonly #readsZeroes: boolean;

  /** @param readsZeroes whether that it reads as zeros is told, too */
  constructor(disk: DiskFile, format: string, readsZeroes: boolean) {
    super(disk, format);
    this.#readsZeroes = readsZeroes;
  }

  protected override over(disk: DiskFile): NullDisk {
    return new NullDisk(disk, this.format, this.#readsZeroes);
  }

  /** It is as large as it was said to be. */
  override get capabilities(): DiskCapabilities {
    return { ...this.disk.capabilities, resizing: undefined };
  }

  override *blockStatusSync(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): Generator<BlockStatus> {
    if (this.#readsZeroes) yield* this.disk.blockStatusSync(guestOffset, lengthBytes);
    else if (lengthBytes > 0) yield nothingKnown(guestOffset, lengthBytes);
  }

  override async *blockStatus(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): AsyncGenerator<BlockStatus> {
    if (this.#readsZeroes) yield* this.disk.blockStatus(guestOffset, lengthBytes);
    else if (lengthBytes > 0) yield nothingKnown(guestOffset, lengthBytes);
  }
}

function nothingKnown(guestOffset: number, lengthBytes: number): BlockStatus {
  const found = { data: false, zero: false, allocated: false, depth: 0, compressed: false };
  return { guestOffset, lengthBytes, ...found, storageName: undefined, hostOffset: undefined };
}
