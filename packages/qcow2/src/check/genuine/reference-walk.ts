/** Counts all that an image refers to, in the order in which QEMU does. */
import { DiskError } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import { ReferenceTally } from '../../refcounts/reference-tally.ts';
import { BitmapReferences, vouchesForBitmaps } from '../bitmap-references.ts';
import { Findings } from '../findings.ts';
import { References } from '../references.ts';
import type { CheckedImage } from './checked-image.ts';
import type { Counting } from './counting.ts';
import type { Transcript } from './transcript.ts';

/** QEMU's own bound on an L1 table. */
const MAX_L1_ENTRIES = (32 * 1024 * 1024) / 8;

export class ReferenceWalk {
  readonly #image: CheckedImage;
  readonly #counting: Counting;
  readonly #transcript: Transcript;
  #needsRebuild = false;

  constructor(image: CheckedImage, counting: Counting, transcript: Transcript) {
    this.#image = image;
    this.#counting = counting;
    this.#transcript = transcript;
  }

  /**
   * @param mends whether blocks of a file that was cut come back
   * @returns whether the refcount structures are of no use
   */
  *run(mends: boolean): Step<boolean> {
    const { checked, refcounts, snapshotTableBytes } = this.#image;
    const { header, extensions, snapshotsOffset } = checked;
    const transcript = this.#transcript;
    transcript.allocatedClusters = 0;
    transcript.compressedClusters = 0;
    transcript.fragmentedClusters = 0;
    const counting = this.#counting;
    counting.add(0, header.clusterBytes);
    const { offset, entries } = header.l1Table;
    yield* counting.addL1({ hostOffset: offset, entries, isActive: true });
    yield* this.#countSnapshots();
    counting.add(snapshotsOffset, snapshotTableBytes);
    counting.add(refcounts.tableOffset, refcounts.tableClusters * header.clusterBytes);
    const { encryptionHeader } = extensions;
    if (encryptionHeader !== undefined) {
      counting.add(encryptionHeader.offset, encryptionHeader.lengthBytes);
    }
    yield* this.#countBitmaps();
    yield* this.#countBlocks(mends);
    return this.#needsRebuild;
  }

  *#countSnapshots(): Step<void> {
    const { checked, external, snapshots } = this.#image;
    const { clusterBytes } = checked.header;
    const transcript = this.#transcript;
    if (external && snapshots.length > 0) {
      transcript.corruption(`ERROR ${snapshots.length} snapshots in image with data file`);
      return;
    }
    for (const { id, name, l1Offset, l1Digits, l1Entries } of snapshots) {
      const what = `ERROR snapshot ${id} (${name})`;
      if (l1Offset % clusterBytes !== 0) {
        transcript.corruption(
          `${what} l1_offset=0x${l1Digits}: L1 table is not cluster aligned; snapshot table entry corrupted`,
        );
      } else if (l1Entries > MAX_L1_ENTRIES) {
        transcript.corruption(
          `${what} l1_size=0x${l1Entries.toString(16)}: L1 table is too large; snapshot table entry corrupted`,
        );
      } else {
        const table = { hostOffset: l1Offset, entries: l1Entries, isActive: false };
        yield* this.#counting.addL1(table);
      }
    }
  }

  /** QEMU says nothing of what is wrong with bitmaps. */
  *#countBitmaps(): Step<void> {
    const { header, extensions } = this.#image.checked;
    if (!vouchesForBitmaps(this.#image.checked) || extensions.bitmaps === undefined) return;
    const { limits } = this.#image;
    const { clusterBytes } = header;
    const findings = new Findings();
    const tally = new ReferenceTally(limits.maxStructureBytes);
    const fileBytes = this.#image.storage.sizeBytes;
    const bounds = { clusterBytes, fileBytes, countMax: this.#image.refcounts.width.max };
    const references = new References(bounds, tally, findings);
    yield* new BitmapReferences(
      this.#image.storage,
      clusterBytes,
      limits,
      references,
      findings,
    ).add(extensions.bitmaps);
    this.#transcript.corruptions += findings.corruptions;
    for (const { start, count } of tally.runs()) {
      for (let index = start; index < start + count; index++) {
        for (let times = tally.get(index); times > 0; times--) {
          this.#counting.add(index * clusterBytes, clusterBytes);
        }
      }
    }
  }

  *#countBlocks(mends: boolean): Step<void> {
    const { clusterBytes } = this.#image.checked.header;
    const refcounts = this.#image.refcounts;
    const counting = this.#counting;
    const transcript = this.#transcript;
    for (let index = 0; index < refcounts.blocks; index++) {
      const offset = refcounts.blockOffset(index);
      if (refcounts.hasReservedBits(index)) {
        transcript.corruption(`ERROR refcount table entry ${index} has reserved bits set`);
        this.#needsRebuild = true;
      } else if (refcounts.isUnaligned(index)) {
        transcript.corruption(
          `ERROR refcount block ${index} is not cluster aligned; refcount table entry corrupted`,
        );
        this.#needsRebuild = true;
      } else if (offset / clusterBytes >= counting.clusters) {
        yield* this.#blockOutside(index, offset, mends);
      } else if (offset !== 0) {
        counting.add(offset, clusterBytes);
        const count = counting.count(offset / clusterBytes);
        if (count === 1) continue;
        transcript.corruption(`ERROR refcount block ${index} refcount=${count}`);
        this.#needsRebuild = true;
      }
    }
  }

  /** A file that was cut has the block again, empty, when it is made longer. */
  *#blockOutside(index: number, offset: number, mends: boolean): Step<void> {
    const transcript = this.#transcript;
    const { clusterBytes } = this.#image.checked.header;
    const verb = mends ? 'Repairing' : 'ERROR';
    transcript.corruption(`${verb} refcount block ${index} is outside image`);
    if (!mends) return;
    try {
      yield* this.#image.refcounts.extendTo(offset + clusterBytes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#needsRebuild = true;
      transcript.say('ERROR could not resize image: File too large');
      return;
    }
    transcript.corruptions -= 1;
    transcript.corruptionsFixed += 1;
    this.#counting.add(offset, clusterBytes);
  }
}
