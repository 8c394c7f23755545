/** New images in memory, and disks opened on them for writing. */
import {
  createImageDisk,
  type DiskFile,
  DEFAULT_LIMITS,
  type Limits,
  MemoryStorage,
  openChain,
  type OpenGate,
  runSync,
  type WritableStorage,
} from '@diskfile/core';
import { DiskError } from '@diskfile/bytes';
import { qcow2Driver } from '../../src/index.ts';
import { plainDriver, TestDecoders } from './open-image.ts';
import { TestEncoders } from './test-encoders.ts';

export type CreateOptions = Readonly<Record<string, string | number | boolean>>;

/** The files of one image, by the names that it gives them. */
export class ImageFiles {
  readonly image: WritableStorage;
  readonly others = new Map<string, WritableStorage>();

  constructor(image: WritableStorage = new MemoryStorage(new Uint8Array(0), 'image')) {
    this.image = image;
  }

  get imageBytes(): Uint8Array {
    const bytes = new Uint8Array(this.image.sizeBytes);
    this.image.readSync(bytes, 0);
    return bytes;
  }
}

/** Creates an image; a backing image has to be among `files.others` for opening, not for this. */
export function createImage(
  files: ImageFiles,
  sizeBytes: number,
  options: CreateOptions = {},
): ImageFiles {
  const { backing_file: name, backing_fmt: format, ...own } = options;
  runSync(
    qcow2Driver.create!({
      storage: files.image,
      sizeBytes,
      options: own,
      backing: name === undefined ? undefined : { name: String(name), format: String(format) },
      *createNamed({ filename }) {
        const storage = new MemoryStorage(new Uint8Array(0), filename);
        files.others.set(filename, storage);
        return storage;
      },
    }),
  );
  return files;
}

export interface OpenWritableOptions {
  readonly asQemu?: boolean;
  readonly limits?: Partial<Limits>;
  readonly writable?: boolean;
  /** Opens this one in place of the active state; with `writable: false`. */
  readonly snapshot?: string;
}

export function openWritable(files: ImageFiles, options: OpenWritableOptions = {}): DiskFile {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const gate: OpenGate = {
    *open({ file }) {
      const storage = files.others.get(file.filename);
      if (storage === undefined) throw new DiskError('denied', 'test.gate', `no ${file.filename}`);
      return storage;
    },
  };
  const chain = runSync(
    openChain(files.image, {
      drivers: [qcow2Driver, plainDriver],
      decoders: new TestDecoders(),
      gate,
      limits,
      format: 'qcow2',
      snapshot: options.snapshot,
      writable: options.writable ?? true,
      followBacking: true,
      tuning: { asQemu: options.asQemu ?? false },
    }),
  );
  return createImageDisk(chain, { limits, encoders: new TestEncoders(), opening: undefined });
}
