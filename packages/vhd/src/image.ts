/** VHD images of every type as maps. */
import { alignUp } from '@diskfile/bytes';
import type {
  BackingReference,
  Extent,
  ExtentMap,
  FormatDetails,
  FormatImage,
  ImageWriter,
  Step,
  Storage,
  Topology,
} from '@diskfile/core';
import { corrupt, type VhdFooter, type VhdType } from './footer.ts';
import { EPOCH_SECONDS, SECTOR_BYTES } from './structs.ts';

export interface VhdDetails extends FormatDetails {
  readonly type: VhdType;
  readonly uniqueId: string;
  readonly creatorApplication: string;
  readonly createdSeconds: number;
  readonly currentSizeBytes: number;
  readonly geometry: {
    readonly cylinders: number;
    readonly heads: number;
    readonly sectorsPerTrack: number;
  };
  readonly savedState: boolean;
  readonly parentUniqueId?: string;
}

export interface VhdParent {
  readonly uniqueId: string;
  /** Names to look for it under, best first. */
  readonly names: readonly string[];
}

export interface VhdImageParts {
  readonly footer: VhdFooter;
  readonly storage: Storage;
  /** Unit of allocation. */
  readonly clusterBytes: number;
  readonly map: Pick<ExtentMap, 'lookup' | 'load'>;
  readonly parent: VhdParent | undefined;
  readonly writer: ImageWriter | undefined;
}

export class VhdImage implements FormatImage {
  readonly format = 'vhd';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing: BackingReference | undefined;
  readonly dataMayBeSparse: boolean;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly #map: VhdImageParts['map'];
  readonly #footer: VhdFooter;
  readonly #parent: VhdParent | undefined;

  constructor(parts: VhdImageParts) {
    const { footer, storage, parent, writer } = parts;
    this.sizeBytes = alignUp(footer.sizeBytes, SECTOR_BYTES);
    this.topology = {
      logicalSectorBytes: SECTOR_BYTES,
      physicalSectorBytes: SECTOR_BYTES,
      clusterBytes: parts.clusterBytes,
    };
    this.dataMayBeSparse = footer.type === 'fixed';
    this.storages = [storage];
    if (writer !== undefined) this.writer = writer;
    this.backing = parent && referenceTo(parent);
    this.#map = parts.map;
    this.#footer = footer;
    this.#parent = parent;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    return this.#map.lookup(guestOffset, lengthBytes, extent);
  }

  load(guestOffset: number): Step<void> {
    return this.#map.load(guestOffset);
  }

  /** A disk with another identity holds other bytes, whatever it is called. */
  checkBacking(below: FormatImage): void {
    const { uniqueId } = below.details();
    if (this.#parent === undefined || uniqueId === this.#parent.uniqueId) return;
    throw corrupt(
      'vhd.parent-mismatch',
      `This is not the parent that the disk was made over: its id is ${String(uniqueId)}, not ${this.#parent.uniqueId}`,
      0,
    );
  }

  details(): VhdDetails {
    const footer = this.#footer;
    return {
      type: footer.type,
      uniqueId: footer.uniqueId,
      creatorApplication: footer.creatorApplication,
      createdSeconds: footer.timeStampSeconds + EPOCH_SECONDS,
      currentSizeBytes: footer.currentSizeBytes,
      geometry: footer.geometry,
      savedState: footer.savedState,
      ...(this.#parent === undefined ? {} : { parentUniqueId: this.#parent.uniqueId }),
    };
  }
}

function referenceTo({ names }: VhdParent): BackingReference {
  const [name, ...alternatives] = names;
  if (name !== undefined) return { name, alternatives, format: 'vhd' };
  throw corrupt('vhd.no-parent-name', 'The disk has a parent and no name for it', 0);
}
