/** Finds the descriptor of a disk, and opens its extents. */
import { DiskError } from '@diskfile/bytes';
import { isWritable, readBytes, type Step, type Storage } from '@diskfile/core';
import { type Descriptor, MAX_DESCRIPTOR_BYTES, parseDescriptor } from './descriptor.ts';
import { ExtentOpening } from './extent-opening.ts';
import { type ExtentSource, openSparse, type PartsContext } from './extents.ts';
import { corrupt, unsupported } from './refusals.ts';
import { isSeSparseMagic } from './se-sparse-extent.ts';
import { isDescriptor, isSparseMagic } from './signature.ts';
import { readSparseHeader } from './sparse-extent.ts';
import type { CidPlace } from './vmdk-writer.ts';

/** Of any file of a disk. */
const MAGIC_BYTES = 4;

export interface DiskParts {
  readonly descriptor: Descriptor;
  /** One for each extent of the descriptor. */
  readonly sources: readonly ExtentSource[];
  /** Undefined where it cannot be changed. */
  readonly cid: CidPlace | undefined;
}

export function* openParts(context: PartsContext): Step<DiskParts> {
  const head = yield* readBytes(context.storage, 0, 64);
  return isSparseMagic(head) || isSeSparseMagic(head)
    ? yield* openMonolithic(context)
    : yield* openByDescriptor(context);
}

/** A sparse extent that carries its own descriptor, or, opened by itself, has none. */
function* openMonolithic(context: PartsContext): Step<DiskParts> {
  const { storage, limits, hasBelow = false } = context;
  const head = yield* readBytes(storage, 0, 8);
  const header = isSeSparseMagic(head) ? undefined : yield* readSparseHeader(storage);
  const place = header?.descriptor;
  if (place === undefined) return yield* openPart(context);
  if (place.offset + place.lengthBytes > storage.sizeBytes) {
    throw corrupt('vmdk.descriptor-cut', 'The descriptor is not in the file', 28);
  }
  if (place.lengthBytes > MAX_DESCRIPTOR_BYTES) throw descriptorTooLong();
  const text = yield* readBytes(storage, place.offset, place.lengthBytes);
  // Room for a descriptor that nobody has used: one part of several.
  if (text[0] === 0) return yield* openPart(context);
  const descriptor = parseDescriptor(text);
  // The file is there for its descriptor alone, which names others.
  if (header!.isDescriptorOnly && descriptor.extents.length > 0) {
    return yield* openNamedExtents(context, descriptor, cidPlace(storage, text, place.offset));
  }
  if (context.tuning?.asQemu === true && header!.sizeBytes === 0) throw neverNamed(descriptor);
  const hasParent = hasBelow || descriptor.parentCid !== undefined;
  const source = yield* openSparse(context, storage, { hasParent, limits });
  return { descriptor, sources: [source], cid: cidPlace(storage, text, place.offset) };
}

/** QEMU takes an extent that holds nothing for one that is there for its descriptor alone. */
function neverNamed({ createType }: Descriptor): DiskError {
  return unsupported(
    'vmdk.create-type',
    `A disk of no bytes whose extents are not named is of the type '${createType}'`,
    'Open it without asQemu.',
  );
}

function* openPart(context: PartsContext): Step<DiskParts> {
  const { storage, limits } = context;
  const source = yield* openSparse(context, storage, { hasParent: false, limits });
  return { descriptor: descriptorOfPart(source), sources: [source], cid: undefined };
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

function* openByDescriptor(context: PartsContext): Step<DiskParts> {
  const { storage } = context;
  if (storage.sizeBytes > MAX_DESCRIPTOR_BYTES) throw descriptorTooLong();
  if (storage.sizeBytes < MAGIC_BYTES) {
    throw corrupt('vmdk.too-small', 'The file is too small for a VMDK disk', 0);
  }
  const text = yield* readBytes(storage, 0, storage.sizeBytes);
  if (!isDescriptor(text)) {
    throw corrupt('vmdk.magic', 'The file is neither a descriptor nor a sparse extent of VMDK', 0);
  }
  const descriptor = parseDescriptor(text);
  if (descriptor.extents.length === 0) {
    throw corrupt('vmdk.no-extents', 'The descriptor names no extents', 0);
  }
  return yield* openNamedExtents(context, descriptor, cidPlace(storage, text, 0));
}

function* openNamedExtents(
  context: PartsContext,
  descriptor: Descriptor,
  cid: CidPlace | undefined,
): Step<DiskParts> {
  const { hasBelow = false } = context;
  const hasParent = hasBelow || descriptor.parentCid !== undefined;
  const opening = new ExtentOpening(context, descriptor.extents, hasParent);
  const sources: ExtentSource[] = [];
  for (const line of descriptor.extents) sources.push(yield* opening.open(line));
  return { descriptor, sources, cid };
}

/** Where the digits of the CID are, so that they can be replaced in place. */
function cidPlace(storage: Storage, text: Uint8Array, at: number): CidPlace | undefined {
  if (!isWritable(storage)) return undefined;
  const match = /^([ \t]*CID[ \t]*=[ \t]*"?)([0-9A-F]{1,8})(?=["\s])/im.exec(
    String.fromCharCode(...text.subarray(0, 4096)),
  );
  if (match === null) return undefined;
  const [, before, digits] = match;
  return { storage, offset: at + match.index + before!.length, digits: digits!.length };
}

function descriptorTooLong(): DiskError {
  return new DiskError(
    'limit',
    'vmdk.descriptor-size',
    `A descriptor of more than ${MAX_DESCRIPTOR_BYTES} bytes`,
    { hint: 'The file is probably no descriptor.' },
  );
}
