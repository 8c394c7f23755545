/** Any readable source as a storage: a disk, partition or guest file that something is mapped onto. */
import type { ByteSource, Storage } from './storage.ts';

/** How the bytes of a source lie in the host file of its name, and what else is to be known. */
export interface SourceOptions {
  /** As {@link Storage.startOffset}. */
  readonly startOffset?: number;
  readonly isDecoded?: boolean;
  /** Gives back what the source holds. */
  readonly onClose?: () => void;
}

/** The source as a storage. Closing it does not close the source: whoever opened that closes it. */
export function asStorage(source: ByteSource, options: SourceOptions = {}): Storage {
  return new SourceStorage(source, options);
}

class SourceStorage implements Storage {
  readonly name: string;
  readonly startOffset?: number;
  readonly isDecoded?: boolean;
  readonly synchronous: boolean;
  readonly identity = undefined;
  readonly requestAlignment = 1;
  readonly #source: ByteSource;
  readonly #onClose: (() => void) | undefined;

  constructor(source: ByteSource, { startOffset, isDecoded, onClose }: SourceOptions) {
    this.#source = source;
    this.#onClose = onClose;
    if (startOffset !== undefined) this.startOffset = startOffset;
    if (isDecoded !== undefined) this.isDecoded = isDecoded;
    this.name = source.name;
    this.synchronous = source.synchronous;
  }

  get sizeBytes(): number {
    return this.#source.sizeBytes;
  }

  allocatedBytes(): number {
    return this.sizeBytes;
  }

  readSync(dst: Uint8Array, offset: number): void {
    const there = this.#within(dst, offset);
    if (there.length > 0) this.#source.readSync(there, offset);
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    const there = this.#within(dst, offset);
    if (there.length > 0) await this.#source.read(there, offset);
  }

  /** A disk refuses ranges beyond its end where a storage reads zeros. */
  #within(dst: Uint8Array, offset: number): Uint8Array {
    const lengthBytes = Math.max(0, Math.min(dst.length, this.sizeBytes - offset));
    if (lengthBytes === dst.length) return dst;
    dst.fill(0, lengthBytes);
    return dst.subarray(0, lengthBytes);
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    let at = offset;
    for (const buffer of buffers) {
      this.readSync(buffer, at);
      at += buffer.length;
    }
  }

  /** Settles all reads before it reports a failure: none still fills a buffer afterwards. */
  async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    let at = offset;
    const reads: Promise<void>[] = [];
    for (const buffer of buffers) {
      reads.push(this.read(buffer, at));
      at += buffer.length;
    }
    const settled = await Promise.allSettled(reads);
    const failed = settled.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  closeSync(): void {
    this.#onClose?.();
  }

  async close(): Promise<void> {
    this.#onClose?.();
  }
}
