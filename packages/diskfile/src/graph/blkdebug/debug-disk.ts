/** A disk under `blkdebug`: requests pass the faults, and what is where the disk itself tells. */
import { isAllZero } from '@diskfile/bytes';
import {
  type BlockStatus,
  type DiskCapabilities,
  type DiskCopyUp,
  type DiskFile,
  type ImageInfo,
  runAsync,
  runSync,
  type Step,
  type Topology,
} from '@diskfile/core';
import { DiskFilter } from '../disks/disk-filter.ts';
import type { DebugStorage } from './debug-storage.ts';

/** Bytes that are copied at a time. */
const COPY_BYTES = 1024 * 1024;

export class DebugDisk extends DiskFilter {
  readonly #debug: DebugStorage;
  readonly #below: DiskFile;

  /** @param disk the bytes of `debug`, which stands on `below` */
  constructor(disk: DiskFile, debug: DebugStorage, below: DiskFile) {
    super(disk, 'blkdebug');
    this.#debug = debug;
    this.#below = below;
  }

  protected override over(disk: DiskFile): DiskFilter {
    return new DebugDisk(disk, this.#debug, this.#below);
  }

  override get topology(): Topology {
    return { ...this.disk.topology, clusterBytes: this.#below.topology.clusterBytes };
  }

  override get capabilities(): DiskCapabilities {
    const { copyUp } = this.#below.capabilities;
    return { ...this.disk.capabilities, copyUp: copyUp && this.#copyUp };
  }

  override info(): readonly ImageInfo[] {
    return this.#below.info();
  }

  override blockStatus(guestOffset?: number, lengthBytes?: number): AsyncIterable<BlockStatus> {
    return this.#below.blockStatus(guestOffset, lengthBytes);
  }

  override blockStatusSync(guestOffset?: number, lengthBytes?: number): Iterable<BlockStatus> {
    return this.#below.blockStatusSync(guestOffset, lengthBytes);
  }

  /** Copies are requests like others, and may fail. */
  readonly #copyUp: DiskCopyUp = {
    copy: async (guestOffset, lengthBytes) => {
      const missing: BlockStatus[] = [];
      for await (const status of this.#below.blockStatus(guestOffset, lengthBytes)) {
        if (isMissing(status)) missing.push(status);
      }
      for (const status of missing) await runAsync(this.#copy(status));
    },
    copySync: (guestOffset, lengthBytes) => {
      const missing = [...this.#below.blockStatusSync(guestOffset, lengthBytes)].filter(isMissing);
      for (const status of missing) runSync(this.#copy(status));
    },
  };

  *#copy({ guestOffset, lengthBytes }: BlockStatus): Step<void> {
    for (let done = 0; done < lengthBytes; done += COPY_BYTES) {
      const at = guestOffset + done;
      const bytes = new Uint8Array(Math.min(COPY_BYTES, lengthBytes - done));
      yield { runSync: () => this.disk.readSync(bytes, at), run: () => this.disk.read(bytes, at) };
      yield* isAllZero(bytes)
        ? this.#debug.zeroCopied(at, bytes.length)
        : this.#debug.writeCopied(bytes, at);
    }
  }
}

function isMissing({ depth, allocated }: BlockStatus): boolean {
  return depth > 0 || !allocated;
}
