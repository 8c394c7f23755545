/** Opens VHDX disks. */
import { alignUp, DiskError } from '@diskfile/bytes';
import {
  BlockWriter,
  lookupBlocks,
  type OpenContext,
  refuseSnapshot,
  type Step,
  writableStorage,
} from '@diskfile/core';
import { BlockAllocationTable } from './bat.ts';
import { DifferencingMap } from './differencing-map.ts';
import { readHeader, type VhdxHeader } from './header.ts';
import { VhdxImage, type VhdxImageParts } from './image.ts';
import { LogWriter } from './log-writer.ts';
import { readLog } from './log.ts';
import { readMetadata, type VhdxMetadata } from './metadata.ts';
import { checkApart, readRegions, type Region } from './regions.ts';
import { ReplayedStorage } from './replayed-storage.ts';
import { METADATA_ROOM_BYTES, MIB } from './structs.ts';
import { findUsedEnd, WholeBlocks, WritableBat } from './writable-bat.ts';

export function* openVhdx(context: OpenContext): Step<VhdxImage> {
  refuseSnapshot(
    context,
    'vhdx',
    'A VHDX disk',
    'Each checkpoint is a differencing disk of its own: open that.',
  );
  const header = yield* readHeader(context.storage);
  return context.writable
    ? yield* openWritable(context, header)
    : yield* openReadOnly(context, header);
}

/**
 * A log that a crash has left is applied to what is read, and the file stays as it is. QEMU wants the
 * file repaired first.
 */
function* openReadOnly(context: OpenContext, header: VhdxHeader) {
  const { storage: file, limits, warn } = context;
  const asQemu = context.tuning?.asQemu === true;
  const replay = yield* readLog(file, header, asQemu);
  if (asQemu && replay !== undefined) throw logInForce(file.name);
  const storage = replay === undefined ? file : new ReplayedStorage(file, replay);
  if (replay !== undefined) {
    warn({
      detail: 'vhdx.log-replayed',
      message: 'The disk was not closed properly: changes in its log are applied to what is read',
    });
  }
  const regions = yield* readRegions(storage);
  const metadata = yield* readMetadata(storage, regions.metadata);
  const bat = new BlockAllocationTable(storage, metadata, regions.bat, limits);
  return new VhdxImage({
    header,
    metadata,
    storage,
    map: mapOf(bat, limits),
    logReplayed: replay !== undefined,
    writer: undefined,
  });
}

function* openWritable({ storage: file, limits, tuning }: OpenContext, header: VhdxHeader) {
  const storage = writableStorage(file, 'vhdx');
  const log = new LogWriter(storage, header);
  const replay = yield* readLog(storage, header, tuning?.asQemu);
  if (replay !== undefined) yield* log.applyReplay(replay);
  const regions = yield* readRegions(storage);
  const metadata = yield* readMetadata(storage, regions.metadata);
  const reading = new BlockAllocationTable(storage, metadata, regions.bat, limits);
  const logRegion = { offset: header.logOffset, lengthBytes: header.logBytes };
  checkApart(logRegion, [regions.bat, regions.metadata]);
  const lastEnd = yield* findUsedEnd(reading, [regions.bat, regions.metadata, logRegion]);
  const usedEnd = Math.max(lastEnd, keptEnd(storage.sizeBytes, metadata, regions.metadata));
  const parts = { metadata, region: regions.bat, log, usedEnd };
  const bat = new WritableBat(storage, parts, limits);
  const writer = new BlockWriter(new WholeBlocks(bat, log), { hasBacking: metadata.hasParent });
  const map = mapOf(bat, limits);
  return new VhdxImage({ header, metadata, storage, map, logReplayed: false, writer });
}

function logInForce(path: string): DiskError {
  return new DiskError(
    'read-only',
    'vhdx.log-in-force',
    'The log holds changes that were not applied, and the disk is opened read-only',
    { path, hint: 'Open it without asQemu, or repair it.' },
  );
}

/**
 * What is kept of the file although nothing names it: the room behind the metadata, and the space of
 * a fixed disk, of which QEMU may not have said that the blocks are there.
 */
function keptEnd(fileBytes: number, metadata: VhdxMetadata, { offset }: Region): number {
  const end = alignUp(fileBytes, MIB);
  return metadata.leaveBlocksAllocated ? end : Math.min(end, offset + METADATA_ROOM_BYTES);
}

function mapOf(bat: BlockAllocationTable, limits: OpenContext['limits']): VhdxImageParts['map'] {
  if (bat.metadata.hasParent) return new DifferencingMap(bat, limits);
  return {
    lookup: (guestOffset, lengthBytes, extent) =>
      lookupBlocks(bat, guestOffset, lengthBytes, extent),
    load: (guestOffset) => bat.load(Math.floor(guestOffset / bat.blockBytes)),
  };
}
