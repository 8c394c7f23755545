/** Disks that take writes which nobody keeps, as with QEMU's `snapshot=on`. */
import { alignUp } from '@diskfile/bytes';
import { decoders, encoders } from '@diskfile/codec';
import {
  closedGate,
  createImageDisk,
  type DiskFile,
  type ImageInfo,
  MemoryStorage,
  openChain,
  type Step,
  type WritableStorage,
} from '@diskfile/core';
import { qcow2Driver } from '@diskfile/qcow2';
import { rawDriver } from '@diskfile/raw';
import { OverlayStorage } from '@diskfile/storage';
import { abandonDisk } from '../../chain/disk-steps.ts';
import { DiskFilter } from './disk-filter.ts';
import { DiskStorage } from './disk-storage.ts';
import type { GraphSettings } from '../nodes/node-driver.ts';
import type { NodeAccess } from '../options/node-options.ts';

const SECTOR_BYTES = 512;
const NAME = 'temporary overlay';

/**
 * A qcow2 overlay whose file is in memory: there the clusters are that are written, up to 4 GiB of
 * them. `below` is only ever read. It is closed with the disk, or at once where that cannot be made.
 */
export function* temporaryDisk(
  below: DiskFile,
  { writable, discards }: NodeAccess,
  { limits, asQemu }: GraphSettings,
): Step<DiskFile> {
  let isOwned = false;
  try {
    const chain = yield* openChain(yield* newOverlay(below.sizeBytes), {
      drivers: [qcow2Driver, rawDriver],
      decoders: decoders(),
      gate: closedGate,
      limits,
      format: qcow2Driver.id,
      snapshot: undefined,
      writable,
      followBacking: true,
      tuning: { asQemu, ...(discards ? {} : { keepsFreedSpace: true }) },
      warnings: [...below.warnings],
      below: {
        format: rawDriver.id,
        below: null,
        // eslint-disable-next-line require-yield
        *open() {
          isOwned = true;
          return new DiskStorage(below);
        },
      },
    });
    const disk = createImageDisk(chain, { limits, encoders: encoders(), opening: undefined });
    return new TemporaryDisk(disk, below);
  } catch (error) {
    if (!isOwned) yield* abandonDisk(below);
    throw error;
  }
}

/** Its file takes memory only for what is written, however long its tables make it. */
function* newOverlay(sizeBytes: number): Step<WritableStorage> {
  const storage = new OverlayStorage(new MemoryStorage(new Uint8Array(0), NAME));
  yield* qcow2Driver.create!({
    storage,
    sizeBytes: alignUp(sizeBytes, SECTOR_BYTES),
    options: {},
    backing: undefined,
    createNamed: () => {
      throw new Error('assertion failed: an overlay with default options has one file');
    },
  });
  return storage;
}

/** The overlay, which tells of the images below as well. */
class TemporaryDisk extends DiskFilter {
  readonly #below: DiskFile;

  constructor(disk: DiskFile, below: DiskFile) {
    super(disk, disk.format);
    this.#below = below;
  }

  protected override over(disk: DiskFile): TemporaryDisk {
    return new TemporaryDisk(disk, this.#below);
  }

  /** It has no file that could be found under a name. */
  override get name(): string {
    return this.#below.name;
  }

  override info(): readonly ImageInfo[] {
    return [this.disk.info()[0]!, ...this.#below.info()];
  }
}
