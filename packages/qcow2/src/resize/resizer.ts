/**
 * Changes the size of the disk. The header's first sector says how large it is, so that a loss of
 * power leaves the old size or the new one:
 *
 * - Growing first makes sure that everything behind the old end reads as zeros, and then says in
 *   the header that it is part of the disk.
 * - Shrinking first says in the header that it is not, and then gives it up.
 *
 * What lies behind the end is therefore nothing to rely on: a shrink may have been cut short.
 */
import { alignDown, alignUp, DiskError } from '@diskfile/bytes';
import type { ImageResizer, Limits, Preallocation, ResizeRequest, Step } from '@diskfile/core';
import type { ClusterTables } from '../tables/cluster-tables.ts';
import { dropTables, visitTables } from '../tables/content-removal.ts';
import { AUTOCLEAR } from '../header/features.ts';
import type { HeaderContent } from '../header/header-content.ts';
import { neededL1Entries } from '../header/header.ts';
import { MAX_L1_BYTES } from '../header/header-places.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import { preallocate } from '../allocation/preallocation.ts';
import { giveUpEmptyBlocks } from '../refcounts/empty-blocks.ts';
import { refuseStrayBlocks } from '../refcounts/stray-blocks.ts';
import { cutDataFile, growDataFile } from './data-file-size.ts';
import { clearEnd, clearEntriesBehind, lastCluster, makeLastTable } from './disk-end.ts';
import { growL1 } from './l1-growth.ts';
import { zeroNewArea } from './new-area.ts';

/** What of an image has to follow the size of its disk. */
export interface SizeFollower {
  /** Before anything changes. @throws DiskError when the disk has to keep its size */
  beforeResize(sizeBytes: number): void;
  /** Changes the header to the new size, and with it what follows. Does all of it or nothing. */
  resize(sizeBytes: number, change: (content: HeaderContent) => HeaderContent): Step<void>;
}

export interface ResizeParts {
  readonly tables: ClusterTables;
  readonly writer: MetadataWriter;
  readonly limits: Limits;
  readonly follower: SizeFollower;
}

export class Qcow2Resizer implements ImageResizer {
  readonly preallocations: readonly Preallocation[] = ['off', 'metadata', 'falloc', 'full'];
  readonly #parts: ResizeParts;

  constructor(parts: ResizeParts) {
    this.#parts = parts;
  }

  *resize(request: ResizeRequest): Step<void> {
    const { tables, follower } = this.#parts;
    const { sizeBytes } = request;
    tables.refuseWhenCorrupt();
    this.#refuseVersion2Snapshots();
    this.#refuseTooLarge(sizeBytes);
    this.#refuseUncovered(request);
    follower.beforeResize(sizeBytes);
    yield* tables.metadata.settle();
    if (sizeBytes > tables.metadata.header.sizeBytes) yield* this.#grow(request);
    else yield* this.#shrink(request);
  }

  *#grow(request: ResizeRequest): Step<void> {
    const { tables, writer } = this.#parts;
    const { metadata } = tables;
    const { sizeBytes: oldBytes } = metadata.header;
    const dataFileBytes = metadata.dataFile?.sizeBytes;
    try {
      yield* growL1(this.#parts, request.sizeBytes);
      yield* this.#clearBehind(oldBytes);
      yield* this.#prepareNewArea(oldBytes, request);
      yield* writer.sync();
      yield* this.#setSize(request.sizeBytes);
    } catch (error) {
      yield* costsSpaceAtMost(this.#takeBack(oldBytes, dataFileBytes));
      throw error;
    }
  }

  /** Makes everything from the old end to the new one read as zeros. */
  *#prepareNewArea(oldBytes: number, request: ResizeRequest): Step<void> {
    const { tables, writer } = this.#parts;
    const { clusterBytes } = tables;
    const { sizeBytes, backingBytes } = request;
    const preallocation = this.#preallocationOf(request);
    const showsBacking = backingBytes > oldBytes;
    yield* growDataFile(tables, oldBytes, sizeBytes, preallocation);
    const { isTaken, dataOffset } = yield* lastCluster(tables, oldBytes, preallocation);
    if (!isTaken) {
      yield* clearEnd(tables, oldBytes, request, {
        unallocated: showsBacking || preallocation !== 'off',
      });
    }
    const from = isTaken ? alignDown(oldBytes, clusterBytes) : alignUp(oldBytes, clusterBytes);
    const copied = { lengthBytes: isTaken ? oldBytes - from : 0, dataOffset };
    const asData = showsBacking && this.#isData(preallocation);
    if (sizeBytes > from) {
      yield* preallocate(tables, { preallocation, from, to: sizeBytes, asData, copied }, writer);
    }
    if (!showsBacking) return;
    const area = { from: oldBytes, to: asData ? Math.min(from, sizeBytes) : sizeBytes };
    yield* zeroNewArea(tables, area, request, writer);
  }

  /** Whether what is preallocated had best be data that is zeros, in place of zeros without data. */
  #isData(preallocation: Preallocation): boolean {
    const { dataFile, header } = this.#parts.tables.metadata;
    const isReserved = preallocation === 'falloc' || preallocation === 'full';
    return (
      dataFile === undefined && (isReserved || (header.version === 2 && preallocation !== 'off'))
    );
  }

  /** Without the image, a raw data file has to read the same: every cluster is in use there. */
  #preallocationOf({ preallocation }: ResizeRequest): Preallocation {
    const { autoclear } = this.#parts.tables.metadata.header.features;
    const isRaw = autoclear.has(AUTOCLEAR.rawExternalData);
    return isRaw && preallocation === 'off' ? 'metadata' : preallocation;
  }

  *#takeBack(oldBytes: number, dataFileBytes: number | undefined): Step<void> {
    yield* this.#clearBehind(oldBytes);
    if (dataFileBytes !== undefined) yield* cutDataFile(this.#parts.tables, dataFileBytes);
  }

  *#shrink(request: ResizeRequest): Step<void> {
    const { tables, writer } = this.#parts;
    const { sizeBytes } = request;
    const { metadata } = tables;
    yield* writer.sync();
    // What cannot be given up as it should, because the image is damaged, is found out first.
    const firstCut = Math.max(0, neededL1Entries(metadata.header, sizeBytes) - 1);
    yield* visitTables(metadata, firstCut, function* () {});
    if (metadata.asQemu) yield* refuseStrayBlocks(metadata, writer);
    const { sizeBytes: oldBytes } = metadata.header;
    yield* this.#setSize(sizeBytes);
    yield* costsSpaceAtMost(this.#giveUpBehind(request, oldBytes));
  }

  *#giveUpBehind(request: ResizeRequest, oldBytes: number): Step<void> {
    const { tables, writer } = this.#parts;
    const { sizeBytes } = request;
    if (tables.metadata.asQemu) yield* makeLastTable(tables, sizeBytes, oldBytes);
    yield* this.#clearBehind(sizeBytes);
    // Others that make the disk larger again may not look at what its last cluster holds.
    yield* clearEnd(tables, sizeBytes, request, { unallocated: false });
    yield* request.readsEnded(sizeBytes);
    yield* cutDataFile(tables, sizeBytes);
    yield* writer.finish();
    yield* giveUpEmptyBlocks(tables.metadata, writer);
    tables.metadata.cutsEnd = true;
  }

  /** Gives up what the tables map behind the end, but for the last cluster. */
  *#clearBehind(sizeBytes: number): Step<void> {
    const { tables, writer } = this.#parts;
    const { metadata } = tables;
    yield* dropTables(metadata, writer, neededL1Entries(metadata.header, sizeBytes));
    yield* clearEntriesBehind(tables, sizeBytes, writer);
  }

  *#setSize(sizeBytes: number): Step<void> {
    yield* this.#parts.follower.resize(sizeBytes, ({ fields, ...rest }) => ({
      ...rest,
      fields: { ...fields, size: sizeBytes },
    }));
  }

  /** In version 2, snapshots do not know how large the disk was. */
  #refuseVersion2Snapshots(): void {
    const { header, snapshots } = this.#parts.tables.metadata;
    if (header.version !== 2 || snapshots.list.length === 0) return;
    throw new DiskError(
      'unsupported',
      'qcow2.resize-snapshots',
      'An image of version 2 that has snapshots cannot be resized',
      { hint: 'Delete the snapshots, or convert the image to version 3 ("compat=1.1").' },
    );
  }

  /**
   * Version 2 has no zero clusters to cover what a longer image below holds behind the old end. Data
   * does it as well, but QEMU refuses.
   */
  #refuseUncovered({ sizeBytes, backingBytes, preallocation }: ResizeRequest): void {
    const { metadata, clusterBytes } = this.#parts.tables;
    const { version, sizeBytes: oldBytes } = metadata.header;
    if (!metadata.asQemu || version !== 2 || ['falloc', 'full'].includes(preallocation)) return;
    if (backingBytes <= oldBytes || sizeBytes <= alignUp(oldBytes, clusterBytes)) return;
    throw new DiskError(
      'unsupported',
      'qcow2.resize-uncovered',
      'What a longer backing file holds behind the end cannot be covered by zero clusters in version 2',
      { hint: 'Convert the image to version 3 ("compat=1.1").' },
    );
  }

  #refuseTooLarge(sizeBytes: number): void {
    const { tables, limits } = this.#parts;
    const l1Bytes = neededL1Entries(tables.metadata.header, sizeBytes) * 8;
    const [mostBytes, hint] =
      limits.maxStructureBytes < MAX_L1_BYTES
        ? [limits.maxStructureBytes, 'Raise limits.maxStructureBytes.']
        : [MAX_L1_BYTES, 'Convert the image to one with larger clusters.'];
    if (l1Bytes <= mostBytes) return;
    throw new DiskError(
      'limit',
      'qcow2.disk-too-large',
      `A disk of ${sizeBytes} bytes needs an L1 table of ${l1Bytes} bytes, more than ${mostBytes}`,
      { hint },
    );
  }
}

/** Runs what gives space back. When it fails, space is lost until the disk is next resized. */
function* costsSpaceAtMost(step: Step<void>): Step<void> {
  try {
    yield* step;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}
