/** Writing compressed data. */
import type { CompressOptions, DiskCompression } from '../../disk-capabilities.ts';
import type { CompressedWriter } from '../../format/writer-capabilities.ts';
import { runAsync, runSync } from '../../step.ts';
import type { CapabilityTarget, CompressStep } from './disk-change.ts';

export class Compression implements DiskCompression {
  readonly unitBytes: number;
  readonly isOnlyForm: boolean;
  readonly #target: CapabilityTarget;
  readonly #compress: CompressStep;

  constructor(target: CapabilityTarget, compress: CompressStep, format: CompressedWriter) {
    this.unitBytes = format.unitBytes;
    this.isOnlyForm = format.framing !== undefined;
    this.#target = target;
    this.#compress = compress;
  }

  async write(src: Uint8Array, guestOffset: number, options?: CompressOptions): Promise<void> {
    await runAsync(this.#compress(src, guestOffset, options));
  }

  writeSync(src: Uint8Array, guestOffset: number, options?: CompressOptions): void {
    this.#target.needSync('writeSync');
    runSync(this.#compress(src, guestOffset, options));
  }
}
