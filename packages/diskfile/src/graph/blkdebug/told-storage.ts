/**
 * A file in which an image keeps its guest data apart. What it is asked for is told to the storage
 * of the image, which may fail what comes next there; so it is with QEMU.
 */
import {
  announce,
  discardRange,
  during,
  type HostCall,
  runAsync,
  runSync,
  type Step,
  type Storage,
  type StorageEvent,
  type StorageEvents,
  type WritableStorage,
  zeroRange,
} from '@diskfile/core';
import type { DiskError } from '@diskfile/bytes';
import { StorageWrapper } from '@diskfile/storage';

/** Events of the requests themselves, which each storage knows of. */
const OF_REQUESTS: ReadonlySet<StorageEvent> = new Set<StorageEvent>(['pwritev_zero']);

export class ToldStorage extends StorageWrapper implements StorageEvents {
  /** The storage of the image. */
  readonly #image: Storage;
  /** Event of each request; undefined where it tells of nothing. */
  readonly #readEvent: StorageEvent | undefined;
  readonly #writeEvent: StorageEvent | undefined;

  constructor(
    inner: Storage,
    image: Storage,
    readEvent?: StorageEvent,
    writeEvent: StorageEvent | undefined = readEvent,
  ) {
    super(inner);
    this.#image = image;
    this.#readEvent = readEvent;
    this.#writeEvent = writeEvent;
  }

  get events(): StorageEvents {
    return this;
  }

  get data(): WritableStorage {
    return new ToldStorage(this.inner, this.#image, 'read_aio', 'write_aio');
  }

  during(event: StorageEvent): WritableStorage {
    if (OF_REQUESTS.has(event)) return new ToldStorage(during(this.inner, event), this.#image);
    return new ToldStorage(this.inner, this.#image, event);
  }

  dataIn(file: Storage): Storage {
    return new ToldStorage(file, this.#image, 'read_aio', 'write_aio');
  }

  announce(event: StorageEvent): HostCall {
    return {
      runSync: () => runSync(announce(this.#image, event)),
      run: () => runAsync(announce(this.#image, event)),
    };
  }

  leaked(reason: DiskError): void {
    this.#image.events?.leaked(reason);
  }

  *#tell(event: StorageEvent | undefined): Step<void> {
    if (event !== undefined) yield* announce(this.#image, event);
  }

  override readSync(dst: Uint8Array, offset: number): void {
    runSync(this.#tell(this.#readEvent));
    super.readSync(dst, offset);
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await runAsync(this.#tell(this.#readEvent));
    await super.read(dst, offset);
  }

  override readvSync(buffers: readonly Uint8Array[], offset: number): void {
    runSync(this.#tell(this.#readEvent));
    super.readvSync(buffers, offset);
  }

  override async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    await runAsync(this.#tell(this.#readEvent));
    await super.readv(buffers, offset);
  }

  override writeSync(src: Uint8Array, offset: number): void {
    runSync(this.#tell(this.#writeEvent));
    super.writeSync(src, offset);
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await runAsync(this.#tell(this.#writeEvent));
    await super.write(src, offset);
  }

  zeroSync(offset: number, lengthBytes: number, mayUnmap: boolean): boolean {
    return runSync(zeroRange(this.target, offset, lengthBytes, mayUnmap));
  }

  async zero(offset: number, lengthBytes: number, mayUnmap: boolean): Promise<boolean> {
    return await runAsync(zeroRange(this.target, offset, lengthBytes, mayUnmap));
  }

  discardSync(offset: number, lengthBytes: number): void {
    runSync(discardRange(this.target, offset, lengthBytes));
  }

  async discard(offset: number, lengthBytes: number): Promise<void> {
    await runAsync(discardRange(this.target, offset, lengthBytes));
  }
}
