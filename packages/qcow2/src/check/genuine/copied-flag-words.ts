/** Compares the copied flags of the active tables with the refcounts, and sets them. */
import { readU32be, writeU32be } from '@diskfile/bytes';
import { isWritable, readBytes, type Step, type Storage, writeBytes } from '@diskfile/core';
import type { Qcow2Header } from '../../header/header.ts';
import { clusterOffset, isCompressed, isCopied } from '../../tables/l2-entry.ts';
import type { MetadataPlaces } from './metadata-places.ts';
import type { RefcountFile } from './refcount-file.ts';
import { CheckStopped, hex64, type Transcript } from './transcript.ts';

const COPIED = 0x8000_0000;

export interface CopiedFlagCheck {
  readonly storage: Storage;
  readonly header: Qcow2Header;
  readonly external: boolean;
  readonly refcounts: RefcountFile;
  readonly transcript: Transcript;
  readonly places: MetadataPlaces;
  readonly mends: boolean;
}

export function* checkCopiedFlags(check: CopiedFlagCheck): Step<void> {
  const { storage, header, refcounts, transcript, mends } = check;
  const { offset, entries } = header.l1Table;
  const l1 = yield* readBytes(storage, offset, entries * 8);
  const verb = mends ? 'Repairing' : 'ERROR';
  for (let index = 0; index < entries; index++) {
    const entry = l1.subarray(index * 8, index * 8 + 8);
    const high = readU32be(entry, 0);
    const low = readU32be(entry, 4);
    const tableOffset = clusterOffset(high, low);
    if (tableOffset === 0) continue;
    const count = yield* refcounts.get(Math.floor(tableOffset / header.clusterBytes));
    if (count === undefined) continue;
    if ((count === 1) !== isCopied(high)) {
      transcript.corruption(
        `${verb} OFLAG_COPIED L2 cluster: l1_index=${index} l1_entry=${hex64(high, low)} refcount=${count}`,
      );
      if (mends) {
        const what = check.places.at(offset + index * 8, 'active L1 table');
        if (what !== undefined) {
          yield* check.places.markCorrupt(what, transcript);
          throw new CheckStopped('EIO');
        }
        writeU32be(entry, 0, count === 1 ? high + COPIED : high - COPIED);
        yield* write(storage, entry, offset + index * 8);
        transcript.corruptions -= 1;
        transcript.corruptionsFixed += 1;
      }
    }
    yield* checkTable(check, tableOffset);
  }
}

function* checkTable(check: CopiedFlagCheck, tableOffset: number): Step<void> {
  const { storage, header, external, refcounts, transcript, places, mends } = check;
  const table = yield* readBytes(storage, tableOffset, header.clusterBytes);
  const verb = mends ? 'Repairing' : 'ERROR';
  let changed = 0;
  for (let at = 0; at < table.length; at += header.extendedL2 ? 16 : 8) {
    const high = readU32be(table, at);
    const low = readU32be(table, at + 4);
    const hostOffset = clusterOffset(high, low);
    if (isCompressed(high) || (hostOffset === 0 && !(external && isCopied(high)))) continue;
    // Clusters of a data file have no refcounts and only one use.
    const count = external ? 1 : yield* refcounts.get(Math.floor(hostOffset / header.clusterBytes));
    if (count === undefined || (count === 1) === isCopied(high)) continue;
    transcript.corruption(
      () => `${verb} OFLAG_COPIED data cluster: l2_entry=${hex64(high, low)} refcount=${count}`,
    );
    writeU32be(table, at, count === 1 ? high + COPIED : high - COPIED);
    changed += 1;
  }
  if (!mends || changed === 0) return;
  const what = places.at(tableOffset, 'active L2 table');
  if (what !== undefined) {
    yield* places.markCorrupt(what, transcript);
    transcript.checkError(
      'ERROR: Could not write L2 table; metadata overlap check failed: Input/output error',
    );
    throw new CheckStopped('EIO');
  }
  yield* write(storage, table, tableOffset);
  transcript.corruptions -= changed;
  transcript.corruptionsFixed += changed;
}

function* write(storage: Storage, bytes: Uint8Array, hostOffset: number): Step<void> {
  if (!isWritable(storage)) throw new Error('assertion failed: the storage is writable');
  yield* writeBytes(storage, bytes, hostOffset);
}
