/** Recognises, opens and creates VMDK disks. */
import { DiskError } from '@diskfile/bytes';
import {
  type FormatDriver,
  isWritable,
  type OpenContext,
  quote,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { createVmdk } from './create.ts';
import {
  type Descriptor,
  isDescriptor,
  MAX_DESCRIPTOR_BYTES,
  parseDescriptor,
} from './descriptor.ts';
import { ExtentList } from './extent-list.ts';
import { type ExtentSource, openExtent, openSparse } from './extents.ts';
import { VmdkImage } from './image.ts';
import { corrupt, unsupported } from './refusals.ts';
import { isSeSparseMagic } from './se-sparse-extent.ts';
import { isSparseMagic, readSparseHeader } from './sparse-extent.ts';
import { type CidPlace, VmdkWriter } from './vmdk-writer.ts';

export const vmdkDriver: FormatDriver = {
  id: 'vmdk',
  aliases: [],
  abilities: { write: true, backing: 'write', compressed: 'write' },
  probe: ({ head }) => (isSparseMagic(head) || isDescriptor(head) ? 'yes' : 'no'),
  open: openVmdk,
  create: createVmdk,
};

function* openVmdk(context: OpenContext): Step<VmdkImage> {
  const { storage, snapshot } = context;
  if (snapshot !== undefined) {
    throw new DiskError(
      'not-found',
      'vmdk.no-snapshots',
      `A VMDK disk has no snapshots within it, so none called ${quote(snapshot)}`,
      { hint: 'Each snapshot is a disk of its own: open that.' },
    );
  }
  const head = yield* readBytes(storage, 0, 64);
  return isSparseMagic(head) || isSeSparseMagic(head)
    ? yield* openMonolithic(context)
    : yield* openByDescriptor(context);
}

/** A sparse extent that carries its own descriptor, or, opened by itself, has none. */
function* openMonolithic(context: OpenContext): Step<VmdkImage> {
  const { storage } = context;
  const head = yield* readBytes(storage, 0, 8);
  const place = isSeSparseMagic(head) ? undefined : (yield* readSparseHeader(storage)).descriptor;
  if (place === undefined) {
    const source = yield* openSparse(context, storage, undefined, false);
    return imageOf(context, descriptorOfPart(source), [source], undefined);
  }
  if (place.offset + place.lengthBytes > storage.sizeBytes) {
    throw corrupt('vmdk.descriptor-cut', 'The descriptor is not in the file', 28);
  }
  if (place.lengthBytes > MAX_DESCRIPTOR_BYTES) throw descriptorTooLong();
  const text = yield* readBytes(storage, place.offset, place.lengthBytes);
  const descriptor = parseDescriptor(text);
  const hasParent = descriptor.parentCid !== undefined;
  const source = yield* openSparse(context, storage, undefined, hasParent);
  return imageOf(context, descriptor, [source], cidPlace(storage, text, place.offset));
}

/** One part of a split disk opened by itself, or an extent of ESX: its bytes are all there is. */
function descriptorOfPart({ sizeBytes }: ExtentSource): Descriptor {
  return {
    createType: 'partial',
    cid: 'ffffffff',
    parentCid: undefined,
    parentFileNameHint: undefined,
    extents: [{ access: 'RW', sizeBytes, type: 'SPARSE', filename: undefined, offset: 0 }],
    database: {},
  };
}

function* openByDescriptor(context: OpenContext): Step<VmdkImage> {
  const { storage } = context;
  if (storage.sizeBytes > MAX_DESCRIPTOR_BYTES) throw descriptorTooLong();
  const text = yield* readBytes(storage, 0, storage.sizeBytes);
  if (!isDescriptor(text)) {
    throw corrupt('vmdk.magic', 'The file is neither a descriptor nor a sparse extent of VMDK', 0);
  }
  const descriptor = parseDescriptor(text);
  if (descriptor.extents.length === 0) {
    throw corrupt('vmdk.no-extents', 'The descriptor names no extents', 0);
  }
  const sources: ExtentSource[] = [];
  for (const line of descriptor.extents) {
    sources.push(yield* openExtent(context, line, descriptor.parentCid !== undefined));
  }
  return imageOf(context, descriptor, sources, cidPlace(storage, text, 0));
}

function imageOf(
  context: OpenContext,
  descriptor: Descriptor,
  sources: readonly ExtentSource[],
  cid: CidPlace | undefined,
): VmdkImage {
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

function writerOf(extents: ExtentList, cid: CidPlace | undefined): VmdkWriter {
  const canWrite = extents.placed.every(({ source }) => source.writer !== undefined);
  if (canWrite && cid !== undefined) return new VmdkWriter(extents, cid);
  throw unsupported(
    'vmdk.not-writable',
    'The disk has extents of a kind that can only be read',
    'Open it read-only, or convert it to monolithicSparse.',
  );
}

/** Where the digits of the CID are, so that they can be replaced in place. */
function cidPlace(storage: Storage, text: Uint8Array, at: number): CidPlace | undefined {
  if (!isWritable(storage)) return undefined;
  const match = /^CID=([0-9A-Fa-f]{1,8})(?=\s)/m.exec(
    String.fromCharCode(...text.subarray(0, 4096)),
  );
  if (match === null) return undefined;
  return { storage, offset: at + match.index + 'CID='.length, digits: match[1]!.length };
}

function descriptorTooLong(): DiskError {
  return new DiskError(
    'limit',
    'vmdk.descriptor-size',
    `A descriptor of more than ${MAX_DESCRIPTOR_BYTES} bytes`,
    { hint: 'The file is probably no descriptor.' },
  );
}
