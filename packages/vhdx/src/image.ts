/** VHDX disks of every type as maps. */
import {
  type BackingReference,
  type Extent,
  type ExtentMap,
  fileReference,
  foreignFileName,
  foreignRelativePath,
  type FormatDetails,
  type FormatImage,
  type ImageWriter,
  type Step,
  type Storage,
  type Topology,
} from '@diskfile/core';
import { formatGuid } from '@diskfile/bytes';
import type { VhdxHeader } from './header.ts';
import type { VhdxMetadata } from './metadata.ts';
import { corrupt } from './refusals.ts';

export interface VhdxDetails extends FormatDetails {
  readonly type: 'fixed' | 'dynamic' | 'differencing';
  readonly diskId: string;
  /** Changes whenever the content does; a differencing disk notes that of its parent. */
  readonly dataWriteGuid: string;
  readonly blockBytes: number;
  /** Whether changes in the log had to be applied to what is read. */
  readonly logReplayed: boolean;
  readonly parentLinkage?: string;
}

export interface VhdxImageParts {
  readonly header: VhdxHeader;
  readonly metadata: VhdxMetadata;
  readonly storage: Storage;
  readonly map: Pick<ExtentMap, 'lookup' | 'load'>;
  readonly logReplayed: boolean;
  readonly writer: ImageWriter | undefined;
}

export class VhdxImage implements FormatImage {
  readonly format = 'vhdx';
  readonly sizeBytes: number;
  readonly topology: Topology;
  readonly backing: BackingReference | undefined;
  readonly dataMayBeSparse: boolean;
  readonly storages: readonly Storage[];
  readonly writer?: ImageWriter;
  readonly #parts: VhdxImageParts;

  constructor(parts: VhdxImageParts) {
    const { metadata, storage, writer } = parts;
    this.sizeBytes = metadata.sizeBytes;
    this.topology = {
      logicalSectorBytes: metadata.logicalSectorBytes,
      physicalSectorBytes: metadata.physicalSectorBytes,
      clusterBytes: metadata.blockBytes,
    };
    this.dataMayBeSparse = metadata.leaveBlocksAllocated;
    this.storages = [storage];
    if (writer !== undefined) this.writer = writer;
    this.backing = metadata.hasParent ? parentOf(metadata) : undefined;
    this.#parts = parts;
  }

  lookup(guestOffset: number, lengthBytes: number, extent: Extent): boolean {
    return this.#parts.map.lookup(guestOffset, lengthBytes, extent);
  }

  load(guestOffset: number): Step<void> {
    return this.#parts.map.load(guestOffset);
  }

  /** A parent that has been written since holds other bytes than those this disk was made over. */
  checkBacking(below: FormatImage): void {
    const { dataWriteGuid } = below.details();
    const expected = ['parent_linkage', 'parent_linkage2']
      .map((key) => this.#parts.metadata.parent.get(key))
      .filter((value) => value !== undefined)
      .map(asGuid);
    if (expected.length === 0 || expected.includes(String(dataWriteGuid))) return;
    throw corrupt(
      'vhdx.parent-linkage',
      `The parent is another disk, or has been written since: ${String(dataWriteGuid)} is not ${expected.join(' or ')}`,
      0,
    );
  }

  details(): VhdxDetails {
    const { metadata, header, logReplayed } = this.#parts;
    const linkage = metadata.parent.get('parent_linkage');
    return {
      type: typeOf(metadata),
      diskId: metadata.diskId,
      dataWriteGuid: formatGuid(header.dataWriteGuid),
      blockBytes: metadata.blockBytes,
      logReplayed,
      ...(linkage === undefined ? {} : { parentLinkage: asGuid(linkage) }),
    };
  }
}

function typeOf({ hasParent, leaveBlocksAllocated }: VhdxMetadata): VhdxDetails['type'] {
  if (hasParent) return 'differencing';
  return leaveBlocksAllocated ? 'fixed' : 'dynamic';
}

/** GUIDs in locators stand in braces. */
function asGuid(text: string): string {
  return text.replaceAll(/[{}]/g, '').toUpperCase();
}

/** The relative path first; of paths on other machines only the file's name means anything here. */
function parentOf({ parent }: VhdxMetadata): BackingReference {
  const paths = ['relative_path', 'absolute_win32_path', 'volume_path'].map(
    (key) => parent.get(key) ?? '',
  );
  const relative = foreignRelativePath(paths[0]!) ?? '';
  const names = [relative, ...paths.map(foreignFileName)].filter((name) => name !== '');
  const [name, ...alternatives] = [...new Set(names.map(fileReference))];
  if (name !== undefined) return { name, alternatives, format: 'vhdx' };
  throw corrupt('vhdx.no-parent-name', 'The disk has a parent and no name for it', 0);
}
