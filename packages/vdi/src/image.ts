/** A VDI image as a map over its blocks. */
import {
  type BackingReference,
  type Extent,
  type FormatDetails,
  type FormatImage,
  type ImageWriter,
  lookupBlocks,
  type Step,
  type Storage,
  type Topology,
} from '@diskfile/core';
import type { BlockMap } from './block-map.ts';
import { corrupt, LINK_AT, PARENT_MODIFY_AT, type VdiHeader, type VdiType } from './header.ts';

export interface VdiDetails extends FormatDetails {
  readonly type: VdiType;
  readonly allocatedBlocks: number;
  readonly uuid: string;
  readonly modifyUuid: string;
  readonly parentUuid?: string;
  readonly parentModifyUuid?: string;
  readonly comment?: string;
}

export class VdiImage implements FormatImage {
  readonly format = 'vdi';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing: BackingReference | undefined;
  readonly dataMayBeSparse: boolean;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly #map: BlockMap;
  readonly #header: VdiHeader;

  constructor(header: VdiHeader, map: BlockMap, writer: ImageWriter | undefined) {
    this.sizeBytes = header.sizeBytes;
    this.topology = {
      logicalSectorBytes: 512,
      physicalSectorBytes: 512,
      clusterBytes: header.blockBytes,
    };
    this.backing = parentOf(header);
    this.dataMayBeSparse = header.type === 'static';
    this.storages = [map.storage];
    if (writer !== undefined) this.writer = writer;
    this.#map = map;
    this.#header = header;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    return lookupBlocks(this.#map, guestOffset, lengthBytes, extent);
  }

  *load(guestOffset: number): Step<void> {
    yield* this.#map.load(Math.floor(guestOffset / this.#map.blockBytes));
  }

  /** A parent that has been written since holds other bytes than those this image was made over. */
  checkBacking(below: FormatImage): void {
    const { linkUuid, parentModifyUuid } = this.#header;
    const { uuid, modifyUuid } = below.details();
    if (linkUuid !== undefined && uuid !== linkUuid) {
      throw corrupt(
        'vdi.parent-mismatch',
        `This is not the parent that the image was made over: its UUID is ${String(uuid)}, not ${linkUuid}`,
        LINK_AT,
      );
    }
    if (parentModifyUuid === undefined || modifyUuid === parentModifyUuid) return;
    throw corrupt('vdi.parent-modified', 'The parent has been written since', PARENT_MODIFY_AT);
  }

  details(): VdiDetails {
    const { type, allocatedBlocks, uuid, modifyUuid, linkUuid, parentModifyUuid, comment } =
      this.#header;
    return {
      type,
      allocatedBlocks,
      uuid,
      modifyUuid,
      ...(linkUuid === undefined ? {} : { parentUuid: linkUuid }),
      ...(parentModifyUuid === undefined ? {} : { parentModifyUuid }),
      ...(comment === '' ? {} : { comment }),
    };
  }
}

/**
 * A differencing image knows its parent by UUID only. VirtualBox calls the files of snapshots by
 * their UUIDs, so that is where the parent is looked for.
 */
function parentOf({ type, linkUuid }: VdiHeader): BackingReference | undefined {
  const hasParent = type === 'differencing' || type === 'undo';
  if (!hasParent || linkUuid === undefined) return undefined;
  return { name: `{${linkUuid}}.vdi`, format: 'vdi' };
}
