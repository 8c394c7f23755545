/** Creates, applies and deletes internal snapshots. */
import { DiskError, divideUp } from '@diskfile/bytes';
import {
  type Limits,
  type SnapshotInfo,
  type SnapshotRequest,
  type SnapshotWriter,
  type Step,
  writeBytes,
} from '@diskfile/core';
import { corrupt, hex } from '../errors.ts';
import { neededL1Entries } from '../header/header.ts';
import { MAX_L1_BYTES, type TableReference } from '../header/header-places.ts';
import type { ImageState } from '../image.ts';
import type { ImageMetadata } from '../metadata.ts';
import type { MetadataWriter } from '../metadata-writer.ts';
import { checkSnapshotL1, type Snapshot } from './snapshots.ts';
import type { InPlacePlan } from './in-place-plan.ts';
import { InPlacePlanner } from './in-place-planner.ts';
import { InPlaceSwitch } from './in-place-switch.ts';
import type { ShadowPlan } from './shadow-plan.ts';
import { ShadowPlanner } from './shadow-planner.ts';
import { switchImage } from './shadow-switch.ts';
import { checkRequest, checkRoomForOne, newSnapshot, nextId } from './snapshot-entry.ts';

export class Qcow2SnapshotWriter implements SnapshotWriter {
  readonly #metadata: ImageMetadata;
  readonly #writer: MetadataWriter;
  readonly #state: ImageState;
  readonly #limits: Limits;
  readonly #inPlace: InPlacePlanner;
  readonly #shadow: ShadowPlanner;

  constructor(metadata: ImageMetadata, writer: MetadataWriter, state: ImageState, limits: Limits) {
    this.#metadata = metadata;
    this.#writer = writer;
    this.#state = state;
    this.#limits = limits;
    this.#inPlace = new InPlacePlanner(metadata, limits.maxStructureBytes);
    this.#shadow = new ShadowPlanner(metadata, limits.maxStructureBytes);
  }

  *create(request: SnapshotRequest): Step<SnapshotInfo> {
    checkRequest(request);
    checkRoomForOne(this.#metadata.header.snapshotTable.entries);
    yield* this.#begin();
    const { header, snapshots } = this.#metadata;
    const id = nextId(snapshots.list);
    const snapshotAt = (l1Table: TableReference) => newSnapshot(request, id, header, l1Table);
    const snapshot = snapshotAt(header.l1Table);
    try {
      if (InPlaceSwitch.isPossible(this.#metadata, snapshot)) {
        yield* this.#changeInPlace(yield* this.#inPlace.create(snapshotAt));
      } else yield* this.#switchTo(yield* this.#shadow.create(snapshot));
    } catch (error) {
      const detail = error instanceof DiskError ? error.detail : undefined;
      if (this.#metadata.asQemu && detail === 'qcow2.refcount-overflow') yield* this.#leaveL1Copy();
      if (this.#metadata.asQemu && detail === 'qcow2.refcount-too-low') yield* this.#placeL1Copy();
      throw error;
    }
    return snapshot.info;
  }

  /** What QEMU has made of a snapshot when it finds that it cannot count it. */
  *#leaveL1Copy(): Step<void> {
    const { header, storage, tables } = this.#metadata;
    const start = yield* this.#placeL1Copy();
    yield* writeBytes(storage, tables.l1.bytes, start * header.clusterBytes);
    yield* this.#writer.finish();
  }

  /**
   * QEMU looks for a place before it looks at counts. Where they are lost, what it finds is what the
   * image consists of, and that marks the image.
   */
  #placeL1Copy(): Step<number> {
    const { header, allocator, tables } = this.#metadata;
    return allocator.allocate(divideUp(tables.l1.bytes.length, header.clusterBytes));
  }

  *apply(id: string): Step<void> {
    const snapshot = this.#findUsable(id);
    yield* this.#begin();
    this.#refuseApplying(snapshot.info.diskSizeBytes);
    if (InPlaceSwitch.isPossible(this.#metadata, snapshot)) {
      yield* this.#changeInPlace(yield* this.#inPlace.apply(snapshot));
    } else yield* this.#switchTo(yield* this.#shadow.apply(snapshot));
  }

  *delete(id: string): Step<void> {
    const snapshot = this.#findUsable(id);
    yield* this.#begin();
    if (this.#metadata.header.version >= 3) {
      yield* this.#changeInPlace(yield* this.#inPlace.delete(snapshot));
    } else yield* this.#switchTo(yield* this.#shadow.delete(snapshot));
  }

  /** Writes what is pending, so that the file is what memory is, and looks at what there is. */
  *#begin(): Step<void> {
    yield* this.#writer.finish();
    const { headerWriter, snapshots, header, map, storage } = this.#metadata;
    if (headerWriter.isCorrupt) {
      throw corrupt('qcow2.marked-corrupt', 'The image was marked as corrupt');
    }
    if (snapshots.list.length !== header.snapshotTable.entries) {
      throw corrupt('qcow2.snapshot-table-cut', 'The file ends within the snapshot table');
    }
    const overlap = map.findOverlap();
    if (overlap !== undefined) {
      const offset = overlap.clusterIndex * header.clusterBytes;
      const [kind, other] = overlap.kinds;
      throw corrupt('qcow2.overlap', `The ${kind} at ${hex(offset)} lies where the ${other} is`, {
        offset,
      });
    }
    for (const { offset, entries } of [header.l1Table, ...snapshots.list.map(l1TableOf)]) {
      if (entries === 0 || offset + entries * 8 <= storage.sizeBytes) continue;
      throw corrupt('qcow2.l1-table-cut', `The file ends within the L1 table at ${hex(offset)}`, {
        offset,
      });
    }
  }

  /** Of all that may be wrong with an image, a table that cannot be is told of first. */
  #findUsable(id: string): Snapshot {
    const { snapshots, header } = this.#metadata;
    const found = snapshots.list.find(({ info }) => info.id === id);
    if (found === undefined) throw new Error('assertion failed: a snapshot is gone');
    checkSnapshotL1(found.l1Table, header.clusterBytes);
    return found;
  }

  #refuseApplying(sizeBytes: number): void {
    const { header } = this.#metadata;
    if (header.version === 2 && sizeBytes !== header.sizeBytes) {
      throw new DiskError(
        'unsupported',
        'qcow2.snapshot-size',
        `The snapshot has another size (${sizeBytes} bytes), and an image of version 2 that has snapshots cannot be resized`,
        { hint: 'Amend the image to version 3 ("compat=1.1") first.' },
      );
    }
    if (
      neededL1Entries(header, sizeBytes) * 8 >
      Math.min(MAX_L1_BYTES, this.#limits.maxStructureBytes)
    ) {
      throw new DiskError(
        'limit',
        'qcow2.snapshot-size',
        `A disk of ${sizeBytes} bytes is too large`,
        { hint: 'Open the snapshot itself to read it.' },
      );
    }
    if ((this.#state.bitmaps ?? []).length === 0) return;
    throw new DiskError(
      'unsupported',
      'qcow2.apply-with-bitmaps',
      'The bitmaps of the image tell what was written, and would not fit to what the snapshot holds',
      { hint: 'Remove the bitmaps first.' },
    );
  }

  *#changeInPlace(plan: InPlacePlan): Step<void> {
    yield* new InPlaceSwitch(this.#metadata, this.#writer, this.#limits, plan).run();
  }

  *#switchTo(plan: ShadowPlan): Step<void> {
    yield* switchImage(this.#metadata, this.#writer, plan);
  }
}

function l1TableOf({ l1Table }: Snapshot): TableReference {
  return l1Table;
}
