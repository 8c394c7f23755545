/** Taking into an image what the images below it hold. */
import type { DiskCopyUp } from '../../disk-capabilities.ts';
import { runAsync, runSync } from '../../step.ts';
import type { CapabilityTarget, CopyUpStep } from './disk-change.ts';

export class CopyUp implements DiskCopyUp {
  readonly #target: CapabilityTarget;
  readonly #copyUp: CopyUpStep;

  constructor(target: CapabilityTarget, copyUp: CopyUpStep) {
    this.#target = target;
    this.#copyUp = copyUp;
  }

  async copy(guestOffset: number, lengthBytes: number): Promise<void> {
    await runAsync(this.#copyUp(guestOffset, lengthBytes));
  }

  copySync(guestOffset: number, lengthBytes: number): void {
    this.#target.needSync('copyUp.copySync');
    runSync(this.#copyUp(guestOffset, lengthBytes));
  }
}
