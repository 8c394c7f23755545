/** Opens a disk by its DiskDescriptor.xml, each of its files through the gate, and only to be read. */
import { DiskError } from '@diskfile/bytes';
import {
  type Limits,
  type OpenContext,
  quote,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { BundleImage, type BundleRange } from './bundle-image.ts';
import { broken, type DiskDescriptor, type ImageEntry, parseDescriptor } from './descriptor.ts';
import { type Layer, openExpanding, PlainLayer } from './layers.ts';

/** Far more than any has. */
const MAX_DESCRIPTOR_BYTES = 4 * 1024 * 1024;
/** Files that one disk may be spread over. */
const MAX_IMAGES = 1024;

export function* openBundle(context: OpenContext): Step<BundleImage> {
  const { storage } = context;
  if (context.writable) {
    throw new DiskError(
      'unsupported',
      'parallels.bundle-read-only',
      'A disk of several files, which a descriptor lists, can only be read',
      { hint: 'Open it read-only, or one of its .hds files by itself.' },
    );
  }
  if (storage.sizeBytes > MAX_DESCRIPTOR_BYTES) throw broken('it is too long');
  const descriptor = parseDescriptor(yield* readBytes(storage, 0, storage.sizeBytes));
  const chain = chainOf(descriptor, context);
  return yield* new BundleOpening(context, descriptor, chain).run();
}

/** GUIDs of the images that are read, the uppermost first. */
function chainOf({ topGuid, parents, storages }: DiskDescriptor, context: OpenContext): string[] {
  const { maxChainLength } = context.limits;
  const first = context.snapshot === undefined ? topGuid : snapshotOf(context.snapshot, storages);
  const chain: string[] = [];
  let guid: string | undefined = first;
  // A disk that never had snapshots need not list its only image.
  while (guid !== undefined) {
    if (chain.includes(guid)) throw broken(`${quote(guid)} lies over itself`);
    if (chain.length === maxChainLength) throw tooManyLayers(maxChainLength);
    chain.push(guid);
    guid = parents.get(guid);
  }
  return chain;
}

function snapshotOf(asked: string, storages: DiskDescriptor['storages']): string {
  const bare = asked.toLowerCase().replaceAll(/[{}]/g, '');
  const guids = storages.flatMap(({ images }) => images.map(({ guid }) => guid));
  const found = guids.find((guid) => guid === `{${bare}}`);
  if (found !== undefined) return found;
  throw new DiskError(
    'not-found',
    'parallels.no-such-snapshot',
    `The disk has no snapshot called ${quote(asked)}`,
    { hint: `Snapshots are called by GUIDs: ${[...new Set(guids)].slice(0, 20).join(', ')}.` },
  );
}

class BundleOpening {
  readonly #context: OpenContext;
  readonly #descriptor: DiskDescriptor;
  readonly #chain: readonly string[];
  /** Tables of all images together take what those of one may. */
  readonly #limits: Limits;
  readonly #storages: Storage[];

  constructor(context: OpenContext, descriptor: DiskDescriptor, chain: readonly string[]) {
    const { limits } = context;
    const count = descriptor.storages.length * chain.length;
    if (count > MAX_IMAGES) throw broken(`it names ${count} images`);
    this.#context = context;
    this.#descriptor = descriptor;
    this.#chain = chain;
    const metadataCacheBytes = Math.floor(limits.metadataCacheBytes / Math.max(1, count));
    this.#limits = { ...limits, metadataCacheBytes };
    this.#storages = [context.storage];
  }

  *run(): Step<BundleImage> {
    const { storages } = this.#descriptor;
    const ranges: BundleRange[] = [];
    for (const { start, end, images } of storages) {
      const layers: Layer[] = [];
      for (const guid of this.#chain) {
        const image = images.find((each) => each.guid === guid);
        if (image === undefined) throw broken(`a storage has no image ${quote(guid)}`);
        layers.push(yield* this.#openLayer(image, layers.length));
      }
      if (end > start) ranges.push({ start, end, layers });
    }
    const guids = storages.flatMap(({ images }) => images.map(({ guid }) => guid));
    const snapshots = [...new Set(guids)];
    const details = { images: this.#chain, snapshots, storages: storages.length };
    return new BundleImage({ ranges, storages: this.#storages, details });
  }

  *#openLayer({ type, file, guid }: ImageEntry, depth: number): Step<Layer> {
    const isRoot = depth === this.#chain.length - 1;
    if (type === 'Plain' && !isRoot) throw broken(`${quote(guid)} is plain and lies over another`);
    const named = { role: 'extent', filename: file, offset: 0, lengthBytes: undefined } as const;
    const storage = yield* this.#context.openNamed(named);
    this.#storages.push(storage);
    return type === 'Plain' ? new PlainLayer(storage) : yield* openExpanding(storage, this.#limits);
  }
}

function tooManyLayers(most: number): DiskError {
  return new DiskError(
    'limit',
    'parallels.chain-too-long',
    `More than ${most} images of the disk lie over one another`,
    { hint: 'Raise limits.maxChainLength, or delete snapshots.' },
  );
}
