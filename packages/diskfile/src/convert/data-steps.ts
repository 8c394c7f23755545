/** How much of the data of a disk is copied, in steps that do not depend on how the work was divided. */
import type { CopyItem } from './copy-plan.ts';

/** What qemu-img copies at a time. */
const STEP_BYTES = 2 * 1024 * 1024;

export class DataSteps {
  #copiedBytes = 0;
  /** Where data that goes on would begin, and what of it is not told yet. */
  #end = 0;
  #untoldBytes = 0;

  /** Takes the next item of the disk. @returns the bytes copied at each step that is done with it */
  *add({ kind, guestOffset, lengthBytes }: CopyItem): Generator<number> {
    if (kind !== 'data') return;
    if (guestOffset !== this.#end) yield* this.finish();
    this.#end = guestOffset + lengthBytes;
    this.#untoldBytes += lengthBytes;
    while (this.#untoldBytes >= STEP_BYTES) yield this.#tell(STEP_BYTES);
  }

  /** Data has ended before a step was full. */
  *finish(): Generator<number> {
    if (this.#untoldBytes > 0) yield this.#tell(this.#untoldBytes);
  }

  #tell(lengthBytes: number): number {
    this.#untoldBytes -= lengthBytes;
    return (this.#copiedBytes += lengthBytes);
  }
}
