/** Opens VHD images. */
import {
  BlockWriter,
  FlatWriter,
  lookupBlocks,
  type OpenContext,
  refuseSnapshot,
  type Step,
  writableStorage,
} from '@diskfile/core';
import { VhdBlockTable, WritableVhdBlockTable } from './block-table.ts';
import { DifferencingMap } from './differencing-map.ts';
import { DifferencingWriter } from './differencing-writer.ts';
import { type DynamicHeader, readDynamicHeader } from './dynamic-header.ts';
import { corrupt, readFooter, type VhdFooter } from './footer.ts';
import { VhdImage } from './image.ts';
import { readParentNames } from './parent-names.ts';
import { SectorBitmaps } from './sector-bitmaps.ts';
import { SECTOR_BYTES } from './structs.ts';
import { findUsedEnd } from './used-space.ts';

/** Share of the cache for tables that sector bitmaps may take as well. */
const BITMAP_SHARE = 0.5;

export function* openVhd(context: OpenContext): Step<VhdImage> {
  const { storage, limits } = context;
  refuseSnapshot(
    context,
    'vhd',
    'A VHD image',
    'Each differencing disk is a file of its own: open that.',
  );
  const footer = yield* readFooter(storage, context.tuning?.sizeSource);
  if (footer.savedState) {
    context.warn({
      detail: 'vhd.saved-state',
      message: 'The disk belongs to a machine in saved state, whose memory may hold newer data',
    });
  }
  if (footer.type === 'fixed') return openFixed(context, footer);
  const header = yield* readDynamicHeader(storage, footer, limits);
  return footer.type === 'dynamic'
    ? yield* openDynamic(context, footer, header)
    : yield* openDifferencing(context, footer, header);
}

function openFixed({ storage, writable }: OpenContext, footer: VhdFooter): VhdImage {
  const space = storage.sizeBytes - SECTOR_BYTES;
  if (footer.sizeBytes > space + SECTOR_BYTES - 1) {
    throw corrupt(
      'vhd.fixed-cut',
      `The file holds ${space} bytes of a disk of ${footer.sizeBytes}`,
      storage.sizeBytes,
    );
  }
  return new VhdImage({
    footer,
    storage,
    clusterBytes: 1,
    map: {
      lookup(guestOffset, lengthBytes, extent) {
        extent.setData(storage, guestOffset, lengthBytes);
        return true;
      },
      *load() {},
    },
    parent: undefined,
    writer: writable ? new FlatWriter(writableStorage(storage, 'vhd')) : undefined,
  });
}

function* openDynamic(
  context: OpenContext,
  footer: VhdFooter,
  header: DynamicHeader,
): Step<VhdImage> {
  const table = yield* openTable(context, footer, header);
  const writer =
    table instanceof WritableVhdBlockTable
      ? new BlockWriter(table, { hasBacking: false })
      : undefined;
  return new VhdImage({
    footer,
    storage: context.storage,
    clusterBytes: header.blockBytes,
    map: {
      lookup: (guestOffset, lengthBytes, extent) =>
        lookupBlocks(table, guestOffset, lengthBytes, extent),
      load: (guestOffset) => table.load(Math.floor(guestOffset / header.blockBytes)),
    },
    parent: undefined,
    writer,
  });
}

function* openDifferencing(
  context: OpenContext,
  footer: VhdFooter,
  header: DynamicHeader,
): Step<VhdImage> {
  const { storage, limits } = context;
  const table = yield* openTable(context, footer, header);
  const cacheBytes = limits.metadataCacheBytes * BITMAP_SHARE;
  const bitmaps = new SectorBitmaps(storage, header.bitmapBytes, cacheBytes);
  const map = new DifferencingMap(table, bitmaps);
  const names = yield* readParentNames(storage, header);
  return new VhdImage({
    footer,
    storage,
    clusterBytes: header.blockBytes,
    map,
    parent: { uniqueId: header.parentUniqueId, names },
    writer:
      table instanceof WritableVhdBlockTable
        ? new DifferencingWriter(table, bitmaps, map)
        : undefined,
  });
}

function* openTable(
  { storage, limits, writable }: OpenContext,
  footer: VhdFooter,
  header: DynamicHeader,
): Step<VhdBlockTable> {
  const table = new VhdBlockTable(storage, header, limits, storage.sizeBytes);
  if (!writable) return table;
  const usedEnd = yield* findUsedEnd(table, footer);
  const marksSectors = footer.type === 'dynamic';
  const options = { footer: footer.bytes, usedEnd, marksSectors };
  return new WritableVhdBlockTable(writableStorage(storage, 'vhd'), header, limits, options);
}
