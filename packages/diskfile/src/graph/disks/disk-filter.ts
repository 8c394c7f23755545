/** A disk that hands everything on to another one: what filters start from. */
import { DiskError } from '@diskfile/bytes';
import {
  type BatchOperation,
  type BatchResult,
  type BlockStatus,
  checkOperations,
  checkRange,
  type DiskCapabilities,
  type DiskFile,
  type DiskWarning,
  type ImageInfo,
  rangeOf,
  type Topology,
  type ZeroOptions,
} from '@diskfile/core';

/** What a filter knows the disk below by. The filter owns it. */
export class DiskFilter implements DiskFile {
  readonly disk: DiskFile;
  readonly format: string;

  /** @param format name of the driver */
  constructor(disk: DiskFile, format: string) {
    this.disk = disk;
    this.format = format;
  }

  /** The same filter over another handle. */
  protected over(disk: DiskFile): DiskFilter {
    return new DiskFilter(disk, this.format);
  }

  get name(): string {
    return this.disk.name;
  }

  get sizeBytes(): number {
    return this.disk.sizeBytes;
  }

  get synchronous(): boolean {
    return this.disk.synchronous;
  }

  get readOnly(): boolean {
    return this.disk.readOnly;
  }

  get topology(): Topology {
    return this.disk.topology;
  }

  get capabilities(): DiskCapabilities {
    return this.disk.capabilities;
  }

  get warnings(): readonly DiskWarning[] {
    return this.disk.warnings;
  }

  /** Nobody else would know of the filter. */
  readonly descriptor = undefined;

  physicalSizeBytes(): number {
    return this.disk.physicalSizeBytes();
  }

  info(): readonly ImageInfo[] {
    return this.disk.info();
  }

  blockStatus(guestOffset?: number, lengthBytes?: number): AsyncIterable<BlockStatus> {
    return this.disk.blockStatus(guestOffset, lengthBytes);
  }

  blockStatusSync(guestOffset?: number, lengthBytes?: number): Iterable<BlockStatus> {
    return this.disk.blockStatusSync(guestOffset, lengthBytes);
  }

  readSync(dst: Uint8Array, guestOffset: number): void {
    this.disk.readSync(dst, guestOffset);
  }

  read(dst: Uint8Array, guestOffset: number): Promise<void> {
    return this.disk.read(dst, guestOffset);
  }

  writeSync(src: Uint8Array, guestOffset: number): void {
    this.disk.writeSync(src, guestOffset);
  }

  write(src: Uint8Array, guestOffset: number): Promise<void> {
    return this.disk.write(src, guestOffset);
  }

  writeZeroesSync(guestOffset: number, lengthBytes: number, options?: ZeroOptions): void {
    this.disk.writeZeroesSync(guestOffset, lengthBytes, options);
  }

  writeZeroes(guestOffset: number, lengthBytes: number, options?: ZeroOptions): Promise<void> {
    return this.disk.writeZeroes(guestOffset, lengthBytes, options);
  }

  discardSync(guestOffset: number, lengthBytes: number): void {
    this.disk.discardSync(guestOffset, lengthBytes);
  }

  discard(guestOffset: number, lengthBytes: number): Promise<void> {
    return this.disk.discard(guestOffset, lengthBytes);
  }

  flushSync(): void {
    this.disk.flushSync();
  }

  flush(): Promise<void> {
    return this.disk.flush();
  }

  /** One after the other, so that each goes through the filter. */
  async submitBatch(operations: readonly BatchOperation[]): Promise<BatchResult[]> {
    checkOperations(operations);
    for (const operation of operations) this.#check(operation);
    const results: BatchResult[] = [];
    for (const operation of operations) {
      try {
        await this.#perform(operation);
        results.push({ error: undefined });
      } catch (error) {
        results.push({ error: error as Error });
      }
    }
    return results;
  }

  submitBatchSync(operations: readonly BatchOperation[]): BatchResult[] {
    checkOperations(operations);
    for (const operation of operations) this.#check(operation);
    return operations.map((operation) => {
      try {
        this.#performSync(operation);
        return { error: undefined };
      } catch (error) {
        return { error: error as Error };
      }
    });
  }

  /** @throws DiskError `invalid-argument`, `out-of-range` */
  #check(operation: BatchOperation): void {
    const range = rangeOf(operation);
    if (range !== undefined) checkRange(this, 'submitBatch', range.offset, range.length);
  }

  async #perform(operation: BatchOperation): Promise<void> {
    if (operation.op === 'read') return await this.read(operation.buffer, operation.guestOffset);
    if (operation.op === 'flush') return await this.flush();
    const { guestOffset } = operation;
    if (operation.op === 'discard') return await this.discard(guestOffset, operation.lengthBytes);
    if (operation.op === 'writeZeroes') {
      return await this.writeZeroes(guestOffset, operation.lengthBytes, operation);
    }
    const { compression } = this.capabilities;
    if (operation.compressed !== true) return await this.write(operation.buffer, guestOffset);
    if (compression === undefined) throw this.#cannotCompress();
    await compression.write(operation.buffer, guestOffset);
  }

  #performSync(operation: BatchOperation): void {
    if (operation.op === 'read') return this.readSync(operation.buffer, operation.guestOffset);
    if (operation.op === 'flush') return this.flushSync();
    const { guestOffset } = operation;
    if (operation.op === 'discard') return this.discardSync(guestOffset, operation.lengthBytes);
    if (operation.op === 'writeZeroes') {
      return this.writeZeroesSync(guestOffset, operation.lengthBytes, operation);
    }
    const { compression } = this.capabilities;
    if (operation.compressed !== true) return this.writeSync(operation.buffer, guestOffset);
    if (compression === undefined) throw this.#cannotCompress();
    compression.writeSync(operation.buffer, guestOffset);
  }

  #cannotCompress(): DiskError {
    const message = 'The disk cannot hold compressed data';
    return new DiskError('unsupported', 'disk.not-capable', message, { path: this.name });
  }

  tryClone(): DiskFile {
    return this.over(this.disk.tryClone());
  }

  closeSync(): void {
    this.disk.closeSync();
  }

  async close(): Promise<void> {
    await this.disk.close();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
