/** A chain of images behind the {@link DiskFile} interface: what `openDiskFile()` hands out. */
import { DiskError } from '@diskfile/bytes';
import type {
  BatchOperation,
  BatchResult,
  DiskCapabilities,
  DiskDescriptor,
  DiskFile,
  ImageInfo,
} from '../disk-file.ts';
import type { DiskWarning } from '../format/format-driver.ts';
import type { FormatImage, Topology } from '../format/format-image.ts';
import type { Limits } from '../limits.ts';
import type { ImageChain } from '../open/open-chain.ts';
import { runAsync, runSync, type Step } from '../step.ts';
import { type BlockStatus, nextBlockStatus } from './block-status.ts';
import { MappedReader } from './mapped-reader.ts';
import { asError, checkRange } from './range.ts';

/** What the handles on one disk have in common. */
class SharedChain {
  readonly chain: ImageChain;
  readonly reader: MappedReader;
  #handles = 0;

  constructor(chain: ImageChain, limits: Limits) {
    this.chain = chain;
    this.reader = new MappedReader(chain.layers, limits);
  }

  retain(): this {
    this.#handles += 1;
    return this;
  }

  /** True for the last handle, which has to close the storages. */
  release(): boolean {
    this.#handles -= 1;
    return this.#handles === 0;
  }
}

export interface ImageDiskOptions {
  readonly limits: Limits;
  /** Lets worker threads open the disk again; see {@link DiskDescriptor.opening}. */
  readonly opening: unknown;
}

/** Makes the first handle on an opened chain; the chain's storages close with the last handle. */
export function createImageDisk(chain: ImageChain, options: ImageDiskOptions): DiskFile {
  return new ImageDisk(new SharedChain(chain, options.limits), options.opening);
}

class ImageDisk implements DiskFile {
  readonly name: string;
  readonly format: string;
  readonly sizeBytes: number;
  readonly synchronous: boolean;
  readonly readOnly = true;
  readonly topology: Topology;
  readonly warnings: readonly DiskWarning[];
  readonly descriptor: DiskDescriptor | undefined;
  readonly #shared: SharedChain;
  readonly #opening: unknown;
  #closed = false;

  constructor(shared: SharedChain, opening: unknown) {
    const { storages, layers, warnings } = shared.chain;
    const top = layers[0]!;
    this.#shared = shared.retain();
    this.#opening = opening;
    this.name = storages[0]!.name;
    this.format = top.format;
    this.sizeBytes = top.sizeBytes;
    this.topology = top.topology;
    this.synchronous = storages.every((storage) => storage.synchronous);
    this.warnings = warnings;
    this.descriptor =
      opening === undefined ? undefined : { opening, startBytes: 0, lengthBytes: this.sizeBytes };
  }

  get capabilities(): DiskCapabilities {
    const { snapshots, bitmaps } = this.#top;
    return { synchronous: this.synchronous, snapshots, bitmaps };
  }

  get #top(): FormatImage {
    return this.#shared.chain.layers[0]!;
  }

  readSync(dst: Uint8Array, guestOffset: number): void {
    this.#check('read', guestOffset, dst.length);
    this.#needSync('readSync');
    try {
      this.#shared.reader.readSync(dst, guestOffset);
    } catch (error) {
      throw this.#located(error, guestOffset, dst.length);
    }
  }

  async read(dst: Uint8Array, guestOffset: number): Promise<void> {
    this.#check('read', guestOffset, dst.length);
    try {
      await this.#shared.reader.read(dst, guestOffset);
    } catch (error) {
      throw this.#located(error, guestOffset, dst.length);
    }
  }

  async *blockStatus(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): AsyncGenerator<BlockStatus> {
    this.#check('blockStatus', guestOffset, lengthBytes);
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const status = await runAsync(this.#nextStatus(at, end - at));
      yield status;
      at += status.lengthBytes;
    }
  }

  *blockStatusSync(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): Generator<BlockStatus> {
    this.#check('blockStatus', guestOffset, lengthBytes);
    this.#needSync('blockStatusSync');
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const status = runSync(this.#nextStatus(at, end - at));
      yield status;
      at += status.lengthBytes;
    }
  }

  *#nextStatus(guestOffset: number, lengthBytes: number): Step<BlockStatus> {
    this.#assertOpen('blockStatus');
    const { reader, chain } = this.#shared;
    try {
      return yield* nextBlockStatus(reader, chain.layers, guestOffset, lengthBytes);
    } catch (error) {
      throw this.#located(error, guestOffset, lengthBytes, 'blockStatus');
    }
  }

  async submitBatch(operations: readonly BatchOperation[]): Promise<BatchResult[]> {
    return await runAsync(this.#batchStep(operations));
  }

  submitBatchSync(operations: readonly BatchOperation[]): BatchResult[] {
    this.#needSync('submitBatchSync');
    return runSync(this.#batchStep(operations));
  }

  *#batchStep(operations: readonly BatchOperation[]): Step<BatchResult[]> {
    for (const { guestOffset, buffer } of operations) {
      this.#check('submitBatch', guestOffset, buffer.length);
    }
    const { reader } = this.#shared;
    try {
      yield* reader.readManyStep(
        operations.map(({ guestOffset, buffer }) => ({ guestOffset, dst: buffer })),
      );
      return operations.map(() => ({ error: undefined }));
    } catch {
      // Merged host work cannot say whose part failed, so each operation now runs by itself.
    }
    const results: BatchResult[] = [];
    for (const { guestOffset, buffer } of operations) {
      try {
        yield* reader.readStep(buffer, guestOffset);
        results.push({ error: undefined });
      } catch (error) {
        results.push({ error: asError(this.#located(error, guestOffset, buffer.length)) });
      }
    }
    return results;
  }

  physicalSizeBytes(): number {
    return allocatedBytes(this.#top);
  }

  info(): ImageInfo[] {
    return this.#shared.chain.layers.map((image) => ({
      path: image.storages[0]!.name,
      format: image.format,
      virtualSizeBytes: image.sizeBytes,
      allocatedBytes: allocatedBytes(image),
      clusterBytes: image.topology.clusterBytes,
      backing: image.backing,
      snapshots: image.snapshots ?? [],
      bitmaps: image.bitmaps ?? [],
      details: image.details(),
    }));
  }

  tryClone(): DiskFile {
    this.#assertOpen('tryClone');
    return new ImageDisk(this.#shared, this.#opening);
  }

  closeSync(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#shared.release()) return;
    for (const storage of this.#shared.chain.storages) storage.closeSync();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#shared.release()) return;
    await Promise.all(this.#shared.chain.storages.map((storage) => storage.close()));
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(op: string, guestOffset: number, lengthBytes: number): void {
    this.#assertOpen(op);
    checkRange(this, op, guestOffset, lengthBytes);
  }

  #assertOpen(op: string): void {
    if (!this.#closed) return;
    throw new DiskError('invalid-argument', 'disk.closed', 'The disk has been closed', {
      op,
      path: this.name,
    });
  }

  #needSync(op: string): void {
    if (this.synchronous) return;
    throw new DiskError(
      'unsupported',
      'disk.no-sync',
      `${op} needs a storage that can be read synchronously`,
      { op, path: this.name, hint: 'Use the asynchronous form.' },
    );
  }

  #located(error: unknown, offset: number, length: number, op = 'read'): unknown {
    if (!(error instanceof DiskError)) return error;
    return error.addContext({ op, path: this.name, format: this.format, offset, length });
  }
}

function allocatedBytes(image: FormatImage): number {
  return image.storages.reduce((sum, storage) => sum + storage.allocatedBytes(), 0);
}
