/** A file as it is once its log has been applied, with the file itself left alone. */
import type { HostRange, Storage } from '@diskfile/core';
import { endOf, firstChangeAfter, type LogChange } from './log-changes.ts';
import type { LogReplay } from './log.ts';

/** Parts of the file read otherwise. */
export class ReplayedStorage implements Storage {
  readonly sizeBytes: number;
  readonly #base: Storage;
  readonly #changes: readonly LogChange[];
  /** Reads outside of this range are the file's own. */
  readonly #from: number;
  readonly #to: number;

  constructor(base: Storage, { changes, fileBytes }: LogReplay) {
    this.#base = base;
    this.#changes = changes;
    const last = changes.at(-1);
    this.#from = changes[0]?.fileOffset ?? Infinity;
    this.#to = last === undefined ? 0 : endOf(last);
    this.sizeBytes = Math.max(base.sizeBytes, fileBytes);
  }

  get name(): string {
    return this.#base.name;
  }

  get synchronous(): boolean {
    return this.#base.synchronous;
  }

  get identity(): string | undefined {
    return this.#base.identity;
  }

  get startOffset(): number {
    return this.#base.startOffset ?? 0;
  }

  get requestAlignment(): number {
    return this.#base.requestAlignment;
  }

  allocatedBytes(): number {
    return this.#base.allocatedBytes();
  }

  readSync(dst: Uint8Array, offset: number): void {
    this.#base.readSync(dst, offset);
    this.#apply(dst, offset);
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    await this.#base.read(dst, offset);
    this.#apply(dst, offset);
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    this.#base.readvSync(buffers, offset);
    this.#applyToAll(buffers, offset);
  }

  async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    await this.#base.readv(buffers, offset);
    this.#applyToAll(buffers, offset);
  }

  #applyToAll(buffers: readonly Uint8Array[], offset: number): void {
    let at = offset;
    for (const buffer of buffers) {
      this.#apply(buffer, at);
      at += buffer.length;
    }
  }

  #apply(dst: Uint8Array, offset: number): void {
    const end = offset + dst.length;
    if (end <= this.#from || offset >= this.#to) return;
    const changes = this.#changes;
    for (let index = firstChangeAfter(changes, offset); index < changes.length; index++) {
      const change = changes[index]!;
      const from = Math.max(offset, change.fileOffset);
      const to = Math.min(end, endOf(change));
      if (from >= to) break;
      if (change.kind === 'zero') dst.fill(0, from - offset, to - offset);
      else {
        const start = from - change.fileOffset;
        dst.set(change.bytes.subarray(start, start + (to - from)), from - offset);
      }
    }
  }

  /** Where the log says something, the host's word does not hold. */
  hostRangeSync(offset: number, lengthBytes: number): HostRange {
    const range = this.#base.hostRangeSync?.(offset, lengthBytes) ?? { data: true, lengthBytes };
    const touches = offset < this.#to && offset + range.lengthBytes > this.#from;
    return touches ? { ...range, data: true } : range;
  }

  closeSync(): void {
    this.#base.closeSync();
  }

  close(): Promise<void> {
    return this.#base.close();
  }
}
