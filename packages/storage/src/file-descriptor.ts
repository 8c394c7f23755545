/** A file descriptor that is never closed under work that is still going on. */
import fs from 'node:fs';
import { DiskError } from '@diskfile/bytes';

/**
 * Closing marks the descriptor at once, so that no new read or write begins; the host's descriptor
 * is given back when the last one has ended. Otherwise the host could hand its number to another
 * file, and a late read would fill its buffer from that, a late write destroy it.
 */
export class FileDescriptor {
  readonly #fd: number;
  readonly #path: string;
  #uses = 0;
  #closed = false;
  #released: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  /** The host's number, for work that ends before the caller gives up control. */
  get(op: string): number {
    if (!this.#closed) return this.#fd;
    throw new DiskError('invalid-argument', 'storage.closed', 'The file has been closed', {
      op,
      path: this.#path,
      layer: 'storage',
    });
  }

  /** The host's number for work that goes on; {@link endUse} has to follow. */
  beginUse(op: string): number {
    const fd = this.get(op);
    this.#uses += 1;
    return fd;
  }

  endUse(): void {
    this.#uses -= 1;
    if (this.#uses === 0) this.#whenIdle?.();
  }

  closeSync(): void {
    if (this.#closed) return;
    if (this.#uses > 0) {
      void this.close();
      return;
    }
    this.#closed = true;
    this.#released = Promise.resolve();
    try {
      fs.closeSync(this.#fd);
    } catch {
      // As in the asynchronous form, nothing that was promised is lost.
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    if (this.#uses > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    await new Promise<void>((resolve) => {
      // What was written is safe only after a flush, so a failure to close loses nothing promised.
      fs.close(this.#fd, () => resolve());
    });
  }
}
