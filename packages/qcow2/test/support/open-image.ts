/** Opens images that are in memory, with decoders from Node and a gate over a map of names. */
import { inflateRawSync } from 'node:zlib';
import { DiskError } from '@diskfile/bytes';
import {
  createImageDisk,
  type Decoder,
  type DecoderSet,
  DEFAULT_LIMITS,
  type DiskFile,
  Extent,
  type FormatDriver,
  type FormatImage,
  type ImageChain,
  type Limits,
  MemoryStorage,
  noDecoders,
  openChain,
  type OpenGate,
  runSync,
  type Step,
  type Storage,
} from '@diskfile/core';
import { qcow2Driver } from '../../src/index.ts';

/** Bytes that are the disk themselves, for backing images. */
export const plainDriver: FormatDriver = {
  id: 'raw',
  aliases: [],
  abilities: { write: true, backing: 'none', compressed: 'none' },
  probe: () => 'maybe',
  *open({ storage }) {
    return {
      format: 'raw',
      sizeBytes: storage.sizeBytes,
      topology: { logicalSectorBytes: 512, physicalSectorBytes: 512, clusterBytes: 1 },
      backing: undefined,
      dataMayBeSparse: false,
      storages: [storage],
      lookup(guestOffset, lengthBytes, extent) {
        extent.setData(storage, guestOffset, lengthBytes);
        return true;
      },
      *load() {},
      details: () => ({}),
    };
  },
};

function inflating(id: string): Decoder {
  const decodeSync = (src: Uint8Array, dst: Uint8Array) => {
    let decoded: Uint8Array;
    try {
      decoded = inflateRawSync(src, { maxOutputLength: dst.length + 1 });
    } catch (cause) {
      throw new DiskError('corrupt', 'test.deflate', 'broken stream', { cause });
    }
    if (decoded.length !== dst.length)
      throw new DiskError('corrupt', 'test.length', 'wrong length');
    dst.set(decoded);
  };
  return { id, decodeSync, decode: async (src, dst) => decodeSync(src, dst) };
}

/** Both ids inflate: what matters here is which one an image asks for. */
export class TestDecoders implements DecoderSet {
  readonly loaded: string[] = [];

  *load(id: string): Step<Decoder> {
    this.loaded.push(id);
    return inflating(id);
  }

  readonly loadStream = noDecoders.loadStream;
}

export interface OpenOptions {
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly snapshot?: string;
  readonly format?: string;
  readonly limits?: Partial<Limits>;
  readonly decoders?: DecoderSet;
}

/** The image itself, not the disk made of it: for what a single lookup answers. */
export function openLayer(image: Uint8Array | Storage, options: OpenOptions = {}): FormatImage {
  return openLayers(image, options).layers[0]!;
}

/** A lookup, with the loading that it may need. */
export function lookUp(image: FormatImage, guestOffset: number, lengthBytes: number): Extent {
  const extent = new Extent();
  if (image.lookup(guestOffset, lengthBytes, extent)) return extent;
  runSync(image.load(guestOffset));
  if (!image.lookup(guestOffset, lengthBytes, extent)) throw new Error('missed after load');
  return extent;
}

export function openImage(image: Uint8Array | Storage, options: OpenOptions = {}): DiskFile {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  return createImageDisk(openLayers(image, options), { limits, opening: undefined });
}

function openLayers(image: Uint8Array | Storage, options: OpenOptions): ImageChain {
  const storage = image instanceof Uint8Array ? new MemoryStorage(image, 'image') : image;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const gate: OpenGate = {
    *open({ file }) {
      const bytes = options.files?.[file.filename];
      if (bytes === undefined) throw new DiskError('denied', 'test.gate', `no ${file.filename}`);
      return new MemoryStorage(bytes, file.filename);
    },
  };
  return runSync(
    openChain(storage, {
      drivers: [qcow2Driver, plainDriver],
      decoders: options.decoders ?? new TestDecoders(),
      gate,
      limits,
      format: options.format,
      snapshot: options.snapshot,
      writable: false,
      followBacking: true,
    }),
  );
}

export function readAll(disk: DiskFile): Uint8Array {
  const bytes = new Uint8Array(disk.sizeBytes).fill(0xee);
  disk.readSync(bytes, 0);
  return bytes;
}

/** The DiskError that an action must end with. */
export function errorOf(action: () => unknown): DiskError {
  try {
    action();
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
  throw new Error('no error');
}

/** First byte that differs, -1 when none does. Comparing large arrays by `toEqual` takes long. */
export function firstDifference(actual: Uint8Array, expected: Uint8Array): number {
  if (Buffer.compare(actual, expected) === 0) return -1;
  const length = Math.min(actual.length, expected.length);
  for (let at = 0; at < length; at++) if (actual[at] !== expected[at]) return at;
  return length;
}
