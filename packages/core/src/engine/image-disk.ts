/** A chain of images behind the {@link DiskFile} interface: what `openDiskFile()` hands out. */
import type { DiskCapabilities } from '../disk-capabilities.ts';
import type {
  BatchOperation,
  BatchResult,
  DiskDescriptor,
  DiskFile,
  ImageInfo,
  ZeroOptions,
} from '../disk-file.ts';
import type { DiskWarning } from '../format/disk-warning.ts';
import type { FormatImage, Topology } from '../format/format-image.ts';
import type { ImageChain } from '../open/open-chain.ts';
import { runAsync, runSync } from '../step.ts';
import type { BlockStatus } from './block-status.ts';
import { capabilitiesOf } from './capabilities/disk-capabilities.ts';
import type { CapabilityTarget } from './capabilities/disk-change.ts';
import { writePending } from './disk-refusals.ts';
import { DiskRequests } from './disk-requests.ts';
import { allocatedBytes, imageInfo } from './image-info.ts';
import { byteLength } from './range.ts';
import { whenGranted } from './read-guard.ts';
import { SharedChain, type SharedChainOptions } from './shared-chain.ts';

export interface ImageDiskOptions extends SharedChainOptions {
  /** Lets worker threads open the disk again; see {@link DiskDescriptor.opening}. */
  readonly opening: unknown;
}

/**
 * Makes the first handle on an opened chain, or on its lower part. The storages that `chain` lists
 * close with the last handle.
 */
export function createImageDisk(chain: ImageChain, options: ImageDiskOptions): DiskFile {
  return new ImageDisk(new SharedChain(chain, options), options.opening);
}

class ImageDisk implements DiskFile {
  readonly name: string;
  readonly format: string;
  readonly synchronous: boolean;
  readonly readOnly: boolean;
  readonly topology: Topology;
  readonly warnings: readonly DiskWarning[];
  readonly #shared: SharedChain;
  readonly #opening: unknown;
  readonly #requests: DiskRequests;

  constructor(shared: SharedChain, opening: unknown) {
    const { layers, warnings } = shared.chain;
    this.#shared = shared;
    this.#requests = new DiskRequests(shared);
    this.#opening = opening;
    ({ name: this.name, format: this.format, synchronous: this.synchronous } = this.#requests);
    this.readOnly = shared.writer === undefined;
    this.topology = layers[0]!.topology;
    this.warnings = warnings;
  }

  get descriptor(): DiskDescriptor | undefined {
    const opening = this.#opening;
    return opening === undefined
      ? undefined
      : { opening, startBytes: 0, lengthBytes: this.sizeBytes };
  }

  get sizeBytes(): number {
    return this.#top.sizeBytes;
  }

  get capabilities(): DiskCapabilities {
    return capabilitiesOf(this.#capabilityTarget(), this.synchronous);
  }

  #capabilityTarget(): CapabilityTarget {
    const requests = this.#requests;
    const { chain, writer, behindDisk } = this.#shared;
    return {
      image: this.#top,
      backingBytes: chain.layers[1]?.sizeBytes ?? 0,
      read: (op, body) => requests.whole(op, () => this.#shared.reading(body)),
      change: (op, pick, body) =>
        requests.whole(op, () => requests.writable(op).changeStep(pick, body)),
      writeZeros: (offset, length) => requests.writable('resize').zeroBytesStep(offset, length),
      readsEnded: (offset) => requests.writable('resize').readsEndedStep(offset),
      compress: writer?.canCompress ? requests.compressStep.bind(requests) : undefined,
      copyUp: this.readOnly ? undefined : requests.copyUpStep.bind(requests),
      behindDisk,
      needSync: (op) => requests.needSync(op),
    };
  }

  get #top(): FormatImage {
    return this.#shared.chain.layers[0]!;
  }

  readSync(dst: Uint8Array, guestOffset: number): void {
    this.#requests.check('read', guestOffset, byteLength(this.name, 'read', dst));
    this.#requests.needSync('readSync');
    const { reader, writer } = this.#shared;
    try {
      writer?.guard.checkSyncRead(guestOffset, guestOffset + dst.length);
      reader.readSync(dst, guestOffset);
    } catch (error) {
      runSync(this.#shared.noteDamage(error));
      throw this.#requests.located(error, guestOffset, dst.length);
    }
  }

  async read(dst: Uint8Array, guestOffset: number): Promise<void> {
    this.#requests.check('read', guestOffset, byteLength(this.name, 'read', dst));
    const { reader, writer } = this.#shared;
    const epoch = writer?.epochs.begin();
    let damage: unknown;
    const turn = writer?.guard.enterRead(guestOffset, guestOffset + dst.length);
    try {
      if (turn !== undefined && turn.waitsFor > 0) await whenGranted(turn);
      await reader.read(dst, guestOffset);
    } catch (error) {
      damage = error;
      throw this.#requests.located(error, guestOffset, dst.length);
    } finally {
      if (turn !== undefined) writer!.guard.leave(turn);
      if (epoch !== undefined) writer!.epochs.end(epoch);
      if (damage !== undefined) await runAsync(this.#shared.noteDamage(damage));
    }
  }

  async write(src: Uint8Array, guestOffset: number): Promise<void> {
    await runAsync(this.#requests.writeStep(src, guestOffset));
  }

  writeSync(src: Uint8Array, guestOffset: number): void {
    this.#requests.needSync('writeSync');
    runSync(this.#requests.writeStep(src, guestOffset));
  }

  async writeZeroes(offset: number, length: number, options: ZeroOptions = {}): Promise<void> {
    await runAsync(this.#requests.zeroStep(offset, length, options));
  }

  writeZeroesSync(offset: number, length: number, options: ZeroOptions = {}): void {
    this.#requests.needSync('writeZeroesSync');
    runSync(this.#requests.zeroStep(offset, length, options));
  }

  async discard(guestOffset: number, lengthBytes: number): Promise<void> {
    await runAsync(this.#requests.discardStep(guestOffset, lengthBytes));
  }

  discardSync(guestOffset: number, lengthBytes: number): void {
    this.#requests.needSync('discardSync');
    runSync(this.#requests.discardStep(guestOffset, lengthBytes));
  }

  async flush(): Promise<void> {
    await runAsync(this.#requests.flushStep());
  }

  flushSync(): void {
    this.#requests.needSync('flushSync');
    runSync(this.#requests.flushStep());
  }

  async *blockStatus(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): AsyncGenerator<BlockStatus> {
    this.#requests.check('blockStatus', guestOffset, lengthBytes);
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const status = await runAsync(this.#requests.nextStatus(at, end - at));
      yield status;
      at += status.lengthBytes;
    }
  }

  *blockStatusSync(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): Generator<BlockStatus> {
    this.#requests.check('blockStatus', guestOffset, lengthBytes);
    this.#requests.needSync('blockStatusSync');
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end;) {
      const status = runSync(this.#requests.nextStatus(at, end - at));
      yield status;
      at += status.lengthBytes;
    }
  }

  async submitBatch(operations: readonly BatchOperation[]): Promise<BatchResult[]> {
    return await runAsync(this.#requests.batchStep(operations));
  }

  submitBatchSync(operations: readonly BatchOperation[]): BatchResult[] {
    this.#requests.needSync('submitBatchSync');
    return runSync(this.#requests.batchStep(operations));
  }

  physicalSizeBytes(): number {
    return allocatedBytes(this.#top);
  }

  info(): ImageInfo[] {
    return this.#shared.chain.layers.map(imageInfo);
  }

  tryClone(): DiskFile {
    this.#requests.assertOpen('tryClone');
    return new ImageDisk(this.#shared, this.#opening);
  }

  closeSync(): void {
    const { writer, handles } = this.#shared;
    if (!this.#requests.isClosed && handles === 1 && writer?.isBusy) {
      throw writePending(this.name);
    }
    runSync(this.#requests.closeStep());
  }

  async close(): Promise<void> {
    await runAsync(this.#requests.closeStep());
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
