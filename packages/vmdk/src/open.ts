/** Opens VMDK disks. */
import { type OpenContext, refuseSnapshot, type Step } from '@diskfile/core';
import { type DiskParts, openParts } from './disk-parts.ts';
import { ExtentList } from './extent-list.ts';
import { VmdkImage } from './image.ts';
import { corrupt, unsupported } from './refusals.ts';
import { VmdkWriter } from './vmdk-writer.ts';

export function* openVmdk(context: OpenContext): Step<VmdkImage> {
  refuseSnapshot(context, 'vmdk', 'A VMDK disk', 'Each snapshot is a disk of its own: open that.');
  return imageOf(context, yield* openParts(context));
}

function imageOf(context: OpenContext, { descriptor, sources, cid }: DiskParts): VmdkImage {
  const extents = new ExtentList(sources);
  if (!Number.isSafeInteger(extents.sizeBytes)) {
    throw corrupt('vmdk.size', 'The extents together are longer than any disk', 0);
  }
  const others = sources.flatMap(({ storage }) => (storage === undefined ? [] : [storage]));
  const storages = [...new Set([context.storage, ...others])];
  return new VmdkImage({
    descriptor,
    extents,
    storages,
    writer: context.writable ? writerOf(extents, cid) : undefined,
  });
}

function writerOf(extents: ExtentList, cid: DiskParts['cid']): VmdkWriter {
  const canWrite = extents.placed.every(({ source }) => source.writer !== undefined);
  if (canWrite && cid !== undefined) return new VmdkWriter(extents, cid);
  throw unsupported(
    'vmdk.not-writable',
    'The disk has extents of a kind that can only be read',
    'Open it read-only, or convert it to monolithicSparse.',
  );
}
