/** A VMDK disk as a map over its extents. */
import type { DiskError } from '@diskfile/bytes';
import {
  type BackingReference,
  type Extent,
  fileReference,
  foreignFileName,
  foreignRelativePath,
  type FormatDetails,
  type FormatImage,
  type Step,
  type Storage,
  type Topology,
} from '@diskfile/core';
import type { Descriptor } from './descriptor.ts';
import type { ExtentList } from './extent-list.ts';
import { corrupt } from './refusals.ts';
import { SECTOR_BYTES } from './structs.ts';
import type { VmdkWriter } from './vmdk-writer.ts';

export interface VmdkDetails extends FormatDetails {
  readonly createType: string;
  readonly cid: string;
  readonly parentCid: string | undefined;
  readonly extents: readonly {
    readonly type: string;
    readonly sizeBytes: number;
    readonly filename: string | undefined;
    /** Of one byte where the bytes lie as they are. */
    readonly grainBytes: number;
  }[];
  /** Whether grains of zeros need no space. */
  readonly zeroedGrains: boolean;
  /** The disk data base of the descriptor. */
  readonly database: Readonly<Record<string, string>>;
}

export interface VmdkImageParts {
  readonly descriptor: Descriptor;
  readonly extents: ExtentList;
  /** The file that was opened, then the extents in other files. */
  readonly storages: readonly Storage[];
  readonly writer: VmdkWriter | undefined;
}

export class VmdkImage implements FormatImage {
  readonly format = 'vmdk';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing: BackingReference | undefined;
  readonly dataMayBeSparse: boolean;
  readonly storages: readonly Storage[];
  readonly writer?: VmdkWriter;
  #belowFault: DiskError | undefined;
  readonly #extents: ExtentList;
  readonly #descriptor: Descriptor;

  constructor({ descriptor, extents, storages, writer }: VmdkImageParts) {
    const grains = extents.placed.map(({ source }) => source.grainBytes);
    this.sizeBytes = extents.sizeBytes;
    this.topology = {
      logicalSectorBytes: SECTOR_BYTES,
      physicalSectorBytes: SECTOR_BYTES,
      // A disk of no bytes at all has none.
      clusterBytes: grains.length === 0 ? 1 : Math.min(...grains),
    };
    this.dataMayBeSparse = grains.includes(1);
    this.storages = storages;
    if (writer !== undefined) this.writer = writer;
    this.backing = parentOf(descriptor);
    this.#extents = extents;
    this.#descriptor = descriptor;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    return this.#extents.lookup(guestOffset, lengthBytes, extent);
  }

  load(guestOffset: number): Step<void> {
    return this.#extents.load(guestOffset);
  }

  get belowFault(): DiskError | undefined {
    return this.#belowFault;
  }

  /**
   * A parent whose content has changed since no longer fits what is here, which can still be told of
   * and read as far as nothing of the parent shows through.
   */
  checkBacking(below: FormatImage): void {
    const { cid } = below.details();
    const { parentCid } = this.#descriptor;
    // A parent of another format has no such identity.
    if (below.format !== this.format || cid === parentCid) return;
    this.#belowFault = corrupt(
      'vmdk.parent-cid',
      `The parent has changed since the disk was made over it: its CID is ${String(cid)}, not ${parentCid}`,
      0,
    );
    if (this.writer !== undefined) this.writer.belowFault = this.#belowFault;
  }

  details(): VmdkDetails {
    const { createType, cid, parentCid, extents, database } = this.#descriptor;
    return {
      createType,
      cid,
      parentCid,
      extents: this.#extents.sources.map(({ sizeBytes, grainBytes }, index) => {
        const { type = 'SPARSE', filename } = extents[index] ?? {};
        return { type, sizeBytes, filename, grainBytes };
      }),
      zeroedGrains: this.#extents.placed.every(
        ({ source }) => source.sparse?.header.zeroedGrains === true,
      ),
      database,
    };
  }
}

function parentOf({ parentCid, parentFileNameHint }: Descriptor): BackingReference | undefined {
  if (parentCid === undefined) return undefined;
  if (parentFileNameHint === undefined || parentFileNameHint === '') {
    throw corrupt('vmdk.no-parent-name', 'The disk has a parent and no name for it', 0);
  }
  const name = parentFileNameHint;
  const elsewhere = [foreignRelativePath(name) ?? '', foreignFileName(name)];
  const others = elsewhere.filter((each) => each !== '' && each !== name);
  const alternatives = [...new Set(others.map(fileReference))];
  return { name, alternatives, format: 'vmdk' };
}
