/**
 * The requests that one handle on a disk makes, as steps: checked, carried out by the engine, and their
 * errors told where they happened. Either form of a disk's methods drives them.
 */
import { DiskError } from '@diskfile/bytes';
import { checkOptions } from '../arguments.ts';
import type { CompressOptions } from '../disk-capabilities.ts';
import type { BatchOperation, BatchResult, ZeroOptions } from '../disk-file.ts';
import type { Step } from '../step.ts';
import { abandonStorages, closeStorages } from '../storage.ts';
import { type BlockStatus, nextBlockStatus } from './block-status.ts';
import { checkOperations, rangeOf, runBatch } from './disk-batch.ts';
import { closed, noSync, onlyRead } from './disk-refusals.ts';
import type { MappedWriter } from './mapped-writer.ts';
import { byteLength, checkRange } from './range.ts';
import type { SharedChain } from './shared-chain.ts';

export class DiskRequests {
  readonly name: string;
  readonly format: string;
  readonly synchronous: boolean;
  readonly shared: SharedChain;
  #isClosed = false;

  constructor(shared: SharedChain) {
    const { layers } = shared.chain;
    const top = layers[0]!;
    this.shared = shared.retain();
    this.name = top.storages[0]!.name;
    this.format = top.format;
    this.synchronous = layers.every(({ storages }) =>
      storages.every((storage) => storage.synchronous),
    );
  }

  get sizeBytes(): number {
    return this.shared.chain.layers[0]!.sizeBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Runs what concerns the whole disk. */
  *whole<T>(op: string, body: () => Step<T>): Step<T> {
    this.assertOpen(op);
    try {
      return yield* body();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      yield* this.shared.noteDamage(error);
      throw error.addContext({ op, path: this.name, format: this.format });
    }
  }

  writeStep(src: Uint8Array, offset: number): Step<void> {
    const range = { op: 'write', offset, length: byteLength(this.name, 'write', src) };
    return this.#change(range, (writer) => writer.writeStep(src, offset));
  }

  *compressStep(src: Uint8Array, offset: number, options: CompressOptions = {}): Step<void> {
    checkOptions('write', options, { level: 'number' });
    const range = { op: 'write', offset, length: byteLength(this.name, 'write', src) };
    yield* this.#change(range, (writer) => {
      const compressing = writer.compressing();
      compressing.checkUnits(offset, src.length);
      return compressing.writeStep(src, offset, options.level);
    });
  }

  *zeroStep(offset: number, length: number, options: ZeroOptions): Step<void> {
    checkOptions('writeZeroes', options, { mayUnmap: 'flag', tablesOnly: 'flag' });
    const range = { op: 'writeZeroes', offset, length };
    yield* this.#change(range, (writer) => writer.writeZeroesStep(offset, length, options));
  }

  discardStep(offset: number, length: number): Step<void> {
    const range = { op: 'discard', offset, length };
    return this.#change(range, (writer) => writer.discardStep(offset, length));
  }

  copyUpStep(offset: number, length: number): Step<void> {
    const range = { op: 'copyUp', offset, length };
    return this.#change(range, (writer) => writer.copyUpStep(offset, length));
  }

  /** A disk that is only read has nothing to flush. */
  *flushStep(): Step<void> {
    this.assertOpen('flush');
    if (this.shared.writer === undefined) return;
    const range = { op: 'flush', offset: 0, length: 0 };
    yield* this.#change(range, (writer) => writer.flushStep());
  }

  *nextStatus(guestOffset: number, lengthBytes: number): Step<BlockStatus> {
    // Between two steps the disk may have been closed, or have become smaller.
    this.check('blockStatus', guestOffset, lengthBytes);
    const { reader, chain } = this.shared;
    try {
      return yield* nextBlockStatus(reader, chain.layers, guestOffset, lengthBytes);
    } catch (error) {
      yield* this.shared.noteDamage(error);
      throw this.located(error, guestOffset, lengthBytes, 'blockStatus');
    }
  }

  *batchStep(operations: readonly BatchOperation[]): Step<BatchResult[]> {
    this.assertOpen('submitBatch');
    checkOperations(operations);
    for (const operation of operations) {
      const range = rangeOf(operation);
      if (range !== undefined) this.check('submitBatch', range.offset, range.length);
      // A disk that is only read has nothing to flush.
      if (operation.op === 'read' || operation.op === 'flush') continue;
      const writing = this.writable('submitBatch');
      if (operation.op === 'write' && operation.compressed === true) {
        writing.compressing().checkUnits(operation.guestOffset, operation.buffer.length);
      }
    }
    const { reader, writer } = this.shared;
    const epoch = writer?.epochs.begin();
    try {
      return yield* runBatch(operations, {
        reader,
        writer,
        located: (error, operation) => {
          const { offset = 0, length = 0 } = rangeOf(operation) ?? {};
          return this.located(error, offset, length, operation.op);
        },
      });
    } finally {
      if (epoch !== undefined) writer!.epochs.end(epoch);
    }
  }

  /** Closes the storages with the last handle. Closing twice is harmless. */
  *closeStep(): Step<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.shared.release()) return;
    const { writer, chain } = this.shared;
    try {
      if (writer !== undefined) yield* writer.closeStep();
    } catch (error) {
      yield* abandonStorages(chain.storages);
      throw this.located(error, 0, this.sizeBytes, 'close');
    }
    yield* closeStorages(chain.storages);
  }

  *#change(
    { op, offset, length }: { op: string; offset: number; length: number },
    body: (writer: MappedWriter) => Step<void>,
  ): Step<void> {
    this.check(op, offset, length);
    try {
      yield* body(this.writable(op));
    } catch (error) {
      yield* this.shared.noteDamage(error);
      throw this.located(error, offset, length, op);
    }
  }

  /** @throws DiskError `read-only` */
  writable(op: string): MappedWriter {
    const { writer } = this.shared;
    if (writer !== undefined) return writer;
    throw onlyRead(this.name, op);
  }

  /** @throws DiskError unless the disk is open and the range lies within it */
  check(op: string, guestOffset: number, lengthBytes: number): void {
    this.assertOpen(op);
    checkRange(this, op, guestOffset, lengthBytes);
  }

  /** @throws DiskError `invalid-argument` */
  assertOpen(op: string): void {
    if (this.#isClosed) throw closed(this.name, op);
  }

  /** @throws DiskError `unsupported` */
  needSync(op: string): void {
    if (!this.synchronous) throw noSync(this.name, op);
  }

  located(error: unknown, offset: number, length: number, op = 'read'): unknown {
    if (!(error instanceof DiskError)) return error;
    return error.addContext({ op, path: this.name, format: this.format, offset, length });
  }
}
