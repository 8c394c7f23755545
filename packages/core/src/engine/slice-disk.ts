/** A window onto a disk, itself a disk: what a partition is. */
import { checkDisk, checkFields, type OptionKinds } from '../arguments.ts';
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
import type { Topology } from '../format/format-image.ts';
import type { BlockStatus } from './block-status.ts';
import { noCapabilities } from './capabilities/disk-capabilities.ts';
import { checkOperations, rangeOf } from './disk-batch.ts';
import { checkAccess, checkRange } from './range.ts';

export interface SliceOptions {
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** What errors call the slice; by default the disk's name. */
  readonly name?: string;
}

const SLICE_KINDS: OptionKinds<SliceOptions> = {
  startBytes: 'number',
  lengthBytes: 'number',
  name: 'text',
};

/**
 * Opens part of a disk as a disk. The slice holds its own handle, so it outlives the one it was
 * made from and is closed on its own.
 * @throws DiskError `out-of-range` when the window leaves the disk.
 */
export function sliceDisk(disk: DiskFile, options: SliceOptions): DiskFile {
  checkDisk('slice', disk);
  checkFields('slice', options, SLICE_KINDS, ['startBytes', 'lengthBytes'], 'options');
  const { startBytes, lengthBytes, name = disk.name } = options;
  checkRange(disk, 'slice', startBytes, lengthBytes);
  return new SliceDisk(disk.tryClone(), startBytes, lengthBytes, name);
}

class SliceDisk implements DiskFile {
  readonly name: string;
  readonly format: string;
  readonly sizeBytes: number;
  readonly synchronous: boolean;
  readonly readOnly: boolean;
  readonly topology: Topology;
  readonly capabilities: DiskCapabilities;
  readonly warnings: readonly DiskWarning[];
  readonly descriptor: DiskDescriptor | undefined;
  readonly #disk: DiskFile;
  readonly #startBytes: number;

  constructor(disk: DiskFile, startBytes: number, lengthBytes: number, name: string) {
    this.#disk = disk;
    this.#startBytes = startBytes;
    this.name = name;
    this.sizeBytes = lengthBytes;
    this.format = disk.format;
    this.synchronous = disk.synchronous;
    this.readOnly = disk.readOnly;
    this.topology = disk.topology;
    this.warnings = disk.warnings;
    // All else belongs to the whole disk.
    this.capabilities = noCapabilities(disk.synchronous);
    const whole = disk.descriptor;
    this.descriptor = whole && {
      opening: whole.opening,
      startBytes: whole.startBytes + startBytes,
      lengthBytes,
    };
  }

  readSync(dst: Uint8Array, guestOffset: number): void {
    checkAccess(this, 'read', dst, guestOffset);
    this.#disk.readSync(dst, this.#startBytes + guestOffset);
  }

  async read(dst: Uint8Array, guestOffset: number): Promise<void> {
    checkAccess(this, 'read', dst, guestOffset);
    await this.#disk.read(dst, this.#startBytes + guestOffset);
  }

  async *blockStatus(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): AsyncGenerator<BlockStatus> {
    checkRange(this, 'blockStatus', guestOffset, lengthBytes);
    const statuses = this.#disk.blockStatus(this.#startBytes + guestOffset, lengthBytes);
    for await (const status of statuses) yield this.#shifted(status);
  }

  *blockStatusSync(
    guestOffset = 0,
    lengthBytes = this.sizeBytes - guestOffset,
  ): Generator<BlockStatus> {
    checkRange(this, 'blockStatus', guestOffset, lengthBytes);
    const statuses = this.#disk.blockStatusSync(this.#startBytes + guestOffset, lengthBytes);
    for (const status of statuses) yield this.#shifted(status);
  }

  #shifted(status: BlockStatus): BlockStatus {
    return { ...status, guestOffset: status.guestOffset - this.#startBytes };
  }

  async write(src: Uint8Array, guestOffset: number): Promise<void> {
    checkAccess(this, 'write', src, guestOffset);
    await this.#disk.write(src, this.#startBytes + guestOffset);
  }

  writeSync(src: Uint8Array, guestOffset: number): void {
    checkAccess(this, 'write', src, guestOffset);
    this.#disk.writeSync(src, this.#startBytes + guestOffset);
  }

  async writeZeroes(offset: number, length: number, options?: ZeroOptions): Promise<void> {
    checkRange(this, 'writeZeroes', offset, length);
    await this.#disk.writeZeroes(this.#startBytes + offset, length, options);
  }

  writeZeroesSync(offset: number, length: number, options?: ZeroOptions): void {
    checkRange(this, 'writeZeroes', offset, length);
    this.#disk.writeZeroesSync(this.#startBytes + offset, length, options);
  }

  async discard(guestOffset: number, lengthBytes: number): Promise<void> {
    checkRange(this, 'discard', guestOffset, lengthBytes);
    await this.#disk.discard(this.#startBytes + guestOffset, lengthBytes);
  }

  discardSync(guestOffset: number, lengthBytes: number): void {
    checkRange(this, 'discard', guestOffset, lengthBytes);
    this.#disk.discardSync(this.#startBytes + guestOffset, lengthBytes);
  }

  flush(): Promise<void> {
    return this.#disk.flush();
  }

  flushSync(): void {
    this.#disk.flushSync();
  }

  async submitBatch(operations: readonly BatchOperation[]): Promise<BatchResult[]> {
    return await this.#disk.submitBatch(this.#translated(operations));
  }

  submitBatchSync(operations: readonly BatchOperation[]): BatchResult[] {
    return this.#disk.submitBatchSync(this.#translated(operations));
  }

  #translated(operations: readonly BatchOperation[]): BatchOperation[] {
    checkOperations(operations);
    return operations.map((operation) => {
      if (operation.op === 'flush') return operation;
      const { offset, length } = rangeOf(operation)!;
      checkRange(this, 'submitBatch', offset, length);
      return { ...operation, guestOffset: offset + this.#startBytes };
    });
  }

  physicalSizeBytes(): number {
    return this.#disk.physicalSizeBytes();
  }

  info(): readonly ImageInfo[] {
    return this.#disk.info();
  }

  tryClone(): DiskFile {
    return new SliceDisk(this.#disk.tryClone(), this.#startBytes, this.sizeBytes, this.name);
  }

  closeSync(): void {
    this.#disk.closeSync();
  }

  async close(): Promise<void> {
    await this.#disk.close();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
