/** One driver and images in memory, for the unit tests of a format. */
import {
  type BackingReference,
  type CheckReport,
  closedGate,
  createImageDisk,
  type CreateContext,
  type DecoderSet,
  DEFAULT_LIMITS,
  type DiskFile,
  type EncoderSet,
  type FormatDriver,
  MemoryStorage,
  noDecoders,
  openChain,
  type OpenGate,
  type RepairMode,
  runSync,
} from '@diskfile/core';

export interface MemoryOpenOptions {
  readonly writable?: boolean;
  readonly gate?: OpenGate;
}

export class DriverInMemory {
  readonly #driver: FormatDriver;
  readonly #decoders: DecoderSet;
  readonly #encoders: EncoderSet | undefined;

  constructor(driver: FormatDriver, decoders: DecoderSet = noDecoders, encoders?: EncoderSet) {
    this.#driver = driver;
    this.#decoders = decoders;
    this.#encoders = encoders;
  }

  create(
    sizeBytes: number,
    options: CreateContext['options'] = {},
    backing?: BackingReference,
  ): MemoryStorage {
    const storage = new MemoryStorage(new Uint8Array(0), 'image');
    const createNamed = () => {
      throw new Error('assertion failed: one file is enough');
    };
    runSync(this.#driver.create!({ storage, sizeBytes, options, backing, createNamed }));
    return storage;
  }

  /** Opens an image, and what is below it when there is a gate. */
  open(storage: MemoryStorage, { writable = true, gate }: MemoryOpenOptions = {}): DiskFile {
    const chain = runSync(
      openChain(storage, {
        drivers: [this.#driver],
        decoders: this.#decoders,
        gate: gate ?? closedGate,
        limits: DEFAULT_LIMITS,
        format: this.#driver.id,
        snapshot: undefined,
        writable,
        followBacking: gate !== undefined,
      }),
    );
    const encoders = this.#encoders === undefined ? {} : { encoders: this.#encoders };
    return createImageDisk(chain, { limits: DEFAULT_LIMITS, opening: undefined, ...encoders });
  }

  check(storage: MemoryStorage, repair?: RepairMode): CheckReport {
    return runSync(
      this.#driver.check!({
        storage,
        limits: DEFAULT_LIMITS,
        repair,
        decoders: this.#decoders,
        makeHash: () => {
          throw new Error('assertion failed: nothing is hashed');
        },
        warn: () => {},
        openNamed: () => {
          throw new Error('assertion failed: a check opens no other files');
        },
        onProgress: () => {},
      }),
    );
  }

  /** The byte that the disk has at an offset, as another reader of the file sees it. */
  byteAt(storage: MemoryStorage, guestOffset: number): number {
    const byte = new Uint8Array(1);
    this.open(storage, { writable: false }).readSync(byte, guestOffset);
    return byte[0]!;
  }
}
