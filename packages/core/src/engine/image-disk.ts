/** A chain of images behind the {@link DiskFile} interface: what `openDiskFile()` hands out. */
import { DiskError } from '@diskfile/bytes';
import { checkOptions } from '../arguments.ts';
import type { CompressOptions, DiskCapabilities } from '../disk-capabilities.ts';
import type {
  BatchOperation,
  BatchResult,
  DiskDescriptor,
  DiskFile,
  ImageInfo,
  ZeroOptions,
} from '../disk-file.ts';
import type { EncoderSet } from '../encoder.ts';
import type { DiskWarning } from '../format/disk-warning.ts';
import type { FormatImage, Topology } from '../format/format-image.ts';
import type { Limits } from '../limits.ts';
import type { ImageChain } from '../open/open-chain.ts';
import { runAsync, runSync, type Step } from '../step.ts';
import { abandonStorages, closeStorages } from '../storage.ts';
import { BehindDisk } from './behind-disk.ts';
import { type BlockStatus, nextBlockStatus } from './block-status.ts';
import { capabilitiesOf } from './capabilities/disk-capabilities.ts';
import type { CapabilityTarget } from './capabilities/disk-change.ts';
import { checkOperations, rangeOf, runBatch } from './disk-batch.ts';
import { MappedReader } from './mapped-reader.ts';
import { MappedWriter } from './mapped-writer.ts';
import { byteLength, checkRange } from './range.ts';
import { whenGranted } from './read-guard.ts';

/** What the handles on one disk have in common. */
class SharedChain {
  readonly chain: ImageChain;
  readonly reader: MappedReader;
  /** There when the top image was opened for writing. */
  readonly writer: MappedWriter | undefined;
  readonly behindDisk: BehindDisk;
  #handles = 0;

  constructor(chain: ImageChain, { limits, encoders }: ImageDiskOptions) {
    this.chain = chain;
    this.reader = new MappedReader(chain.layers, limits);
    const [top] = chain.layers;
    this.behindDisk = new BehindDisk(top!, limits);
    this.writer = top!.writer && new MappedWriter(top!, top!.writer, this.reader, encoders);
  }

  get handles(): number {
    return this.#handles;
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
  /** What compressed writes are made with; there are none without. */
  readonly encoders?: EncoderSet;
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
  #closed = false;

  constructor(shared: SharedChain, opening: unknown) {
    const { layers, warnings } = shared.chain;
    const top = layers[0]!;
    this.#shared = shared.retain();
    this.#opening = opening;
    this.name = top.storages[0]!.name;
    this.format = top.format;
    this.readOnly = shared.writer === undefined;
    this.topology = top.topology;
    this.synchronous = layers.every(({ storages }) =>
      storages.every((storage) => storage.synchronous),
    );
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
    const { layers } = this.#shared.chain;
    return {
      image: this.#top,
      backingBytes: layers[1]?.sizeBytes ?? 0,
      read: (op, body) => this.#whole(op, () => this.#reading(body)),
      change: (op, pick, body) => this.#whole(op, () => this.#writable(op).changeStep(pick, body)),
      writeZeros: (offset, length) => this.#writable('resize').zeroBytesStep(offset, length),
      readsEnded: (offset) => this.#writable('resize').readsEndedStep(offset),
      compress: this.#shared.writer?.canCompress ? this.#compressStep.bind(this) : undefined,
      copyUp: this.readOnly ? undefined : this.#copyUpStep.bind(this),
      behindDisk: this.#shared.behindDisk,
      needSync: (op) => this.#needSync(op),
    };
  }

  /** Keeps space that is freed in the meantime from being used for something else. */
  *#reading<T>(body: () => Step<T>): Step<T> {
    const { writer } = this.#shared;
    const epoch = writer?.epochs.begin();
    try {
      return yield* body();
    } finally {
      if (epoch !== undefined) writer!.epochs.end(epoch);
    }
  }

  get #top(): FormatImage {
    return this.#shared.chain.layers[0]!;
  }

  /** Runs what concerns the whole disk. */
  *#whole<T>(op: string, body: () => Step<T>): Step<T> {
    this.#assertOpen(op);
    try {
      return yield* body();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw error.addContext({ op, path: this.name, format: this.format });
    }
  }

  readSync(dst: Uint8Array, guestOffset: number): void {
    this.#check('read', guestOffset, byteLength(this.name, 'read', dst));
    this.#needSync('readSync');
    const { reader, writer } = this.#shared;
    try {
      writer?.guard.checkSyncRead(guestOffset, guestOffset + dst.length);
      reader.readSync(dst, guestOffset);
    } catch (error) {
      runSync(this.#noteDamage(error));
      throw this.#located(error, guestOffset, dst.length);
    }
  }

  async read(dst: Uint8Array, guestOffset: number): Promise<void> {
    this.#check('read', guestOffset, byteLength(this.name, 'read', dst));
    const { reader, writer } = this.#shared;
    const epoch = writer?.epochs.begin();
    let damage: unknown;
    const turn = writer?.guard.enterRead(guestOffset, guestOffset + dst.length);
    try {
      if (turn !== undefined && turn.waitsFor > 0) await whenGranted(turn);
      await reader.read(dst, guestOffset);
    } catch (error) {
      damage = error;
      throw this.#located(error, guestOffset, dst.length);
    } finally {
      if (turn !== undefined) writer!.guard.leave(turn);
      if (epoch !== undefined) writer!.epochs.end(epoch);
      if (damage !== undefined) await runAsync(this.#noteDamage(damage));
    }
  }

  async write(src: Uint8Array, guestOffset: number): Promise<void> {
    await runAsync(this.#writeStep(src, guestOffset));
  }

  *#compressStep(src: Uint8Array, offset: number, options: CompressOptions = {}): Step<void> {
    checkOptions('write', options, { level: 'number' });
    const range = { op: 'write', offset, length: byteLength(this.name, 'write', src) };
    yield* this.#change(range, (writer) => {
      const compressing = writer.compressing();
      compressing.checkUnits(offset, src.length);
      return compressing.writeStep(src, offset, options.level);
    });
  }

  writeSync(src: Uint8Array, guestOffset: number): void {
    this.#needSync('writeSync');
    runSync(this.#writeStep(src, guestOffset));
  }

  #writeStep(src: Uint8Array, offset: number): Step<void> {
    const range = { op: 'write', offset, length: byteLength(this.name, 'write', src) };
    return this.#change(range, (writer) => writer.writeStep(src, offset));
  }

  async writeZeroes(offset: number, length: number, options: ZeroOptions = {}): Promise<void> {
    await runAsync(this.#zeroStep(offset, length, options));
  }

  writeZeroesSync(offset: number, length: number, options: ZeroOptions = {}): void {
    this.#needSync('writeZeroesSync');
    runSync(this.#zeroStep(offset, length, options));
  }

  *#zeroStep(offset: number, length: number, options: ZeroOptions): Step<void> {
    checkOptions('writeZeroes', options, { mayUnmap: 'flag', tablesOnly: 'flag' });
    const range = { op: 'writeZeroes', offset, length };
    yield* this.#change(range, (writer) => writer.writeZeroesStep(offset, length, options));
  }

  async discard(guestOffset: number, lengthBytes: number): Promise<void> {
    await runAsync(this.#discardStep(guestOffset, lengthBytes));
  }

  discardSync(guestOffset: number, lengthBytes: number): void {
    this.#needSync('discardSync');
    runSync(this.#discardStep(guestOffset, lengthBytes));
  }

  #copyUpStep(offset: number, length: number): Step<void> {
    const range = { op: 'copyUp', offset, length };
    return this.#change(range, (writer) => writer.copyUpStep(offset, length));
  }

  #discardStep(offset: number, length: number): Step<void> {
    const range = { op: 'discard', offset, length };
    return this.#change(range, (writer) => writer.discardStep(offset, length));
  }

  async flush(): Promise<void> {
    await runAsync(this.#flushStep());
  }

  flushSync(): void {
    this.#needSync('flushSync');
    runSync(this.#flushStep());
  }

  /** A disk that is only read has nothing to flush. */
  *#flushStep(): Step<void> {
    this.#assertOpen('flush');
    if (this.readOnly) return;
    const range = { op: 'flush', offset: 0, length: 0 };
    yield* this.#change(range, (writer) => writer.flushStep());
  }

  *#change(
    { op, offset, length }: { op: string; offset: number; length: number },
    body: (writer: MappedWriter) => Step<void>,
  ): Step<void> {
    this.#check(op, offset, length);
    try {
      yield* body(this.#writable(op));
    } catch (error) {
      yield* this.#noteDamage(error);
      throw this.#located(error, offset, length, op);
    }
  }

  #writable(op: string): MappedWriter {
    const { writer } = this.#shared;
    if (writer !== undefined) return writer;
    throw new DiskError('read-only', 'disk.read-only', 'The disk was opened for reading only', {
      op,
      path: this.name,
      hint: 'Open it with { readOnly: false }.',
    });
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
    // Between two steps the disk may have been closed, or have become smaller.
    this.#check('blockStatus', guestOffset, lengthBytes);
    const { reader, chain } = this.#shared;
    try {
      return yield* nextBlockStatus(reader, chain.layers, guestOffset, lengthBytes);
    } catch (error) {
      yield* this.#noteDamage(error);
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
    this.#assertOpen('submitBatch');
    checkOperations(operations);
    for (const operation of operations) {
      const range = rangeOf(operation);
      if (range !== undefined) this.#check('submitBatch', range.offset, range.length);
      // A disk that is only read has nothing to flush.
      if (operation.op === 'read' || operation.op === 'flush') continue;
      const writing = this.#writable('submitBatch');
      if (operation.op === 'write' && operation.compressed === true) {
        writing.compressing().checkUnits(operation.guestOffset, operation.buffer.length);
      }
    }
    const { reader, writer } = this.#shared;
    const epoch = writer?.epochs.begin();
    try {
      return yield* runBatch(operations, {
        reader,
        writer,
        located: (error, operation) => {
          const { offset = 0, length = 0 } = rangeOf(operation) ?? {};
          return this.#located(error, offset, length, operation.op);
        },
      });
    } finally {
      if (epoch !== undefined) writer!.epochs.end(epoch);
    }
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
    const { writer, handles } = this.#shared;
    if (!this.#closed && handles === 1 && writer?.isBusy) {
      throw new DiskError(
        'busy',
        'disk.async-write-pending',
        'An asynchronous write is under way, and closing would cut it short',
        { op: 'close', path: this.name, hint: 'Await it, or close asynchronously.' },
      );
    }
    runSync(this.#closeStep());
  }

  async close(): Promise<void> {
    await runAsync(this.#closeStep());
  }

  *#closeStep(): Step<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#shared.release()) return;
    const { writer, chain } = this.#shared;
    try {
      if (writer !== undefined) yield* writer.closeStep();
    } catch (error) {
      yield* abandonStorages(chain.storages);
      throw this.#located(error, 0, this.sizeBytes, 'close');
    }
    yield* closeStorages(chain.storages);
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

  /** Lets the format mark an image that a request has found to be damaged. */
  *#noteDamage(error: unknown): Step<void> {
    if (!(error instanceof DiskError) || error.code !== 'corrupt') return;
    const { writer, chain } = this.#shared;
    if (writer === undefined || chain.layers[0]!.writer!.noteDamage === undefined) return;
    try {
      yield* writer.changeStep(
        (image) => image,
        (image) => image.noteDamage!(error),
      );
    } catch (failure) {
      // What was found counts, not that it could not be noted.
      if (!(failure instanceof DiskError)) throw failure;
    }
  }

  #located(error: unknown, offset: number, length: number, op = 'read'): unknown {
    if (!(error instanceof DiskError)) return error;
    return error.addContext({ op, path: this.name, format: this.format, offset, length });
  }
}

function allocatedBytes(image: FormatImage): number {
  return image.storages.reduce((sum, storage) => sum + storage.allocatedBytes(), 0);
}
