/** Changing options of the format of an image that is there already. */
import type { DiskAmending, FormatOptions } from '../../disk-capabilities.ts';
import { runAsync, runSync, type Step } from '../../step.ts';
import type { CapabilityTarget } from './disk-change.ts';

export class Amending implements DiskAmending {
  readonly #target: CapabilityTarget;

  constructor(target: CapabilityTarget) {
    this.#target = target;
  }

  async amend(options: FormatOptions): Promise<void> {
    await runAsync(this.#step(options));
  }

  amendSync(options: FormatOptions): void {
    this.#target.needSync('amendSync');
    runSync(this.#step(options));
  }

  #step(options: FormatOptions): Step<void> {
    return this.#target.change(
      'amend',
      ({ amender }) => amender,
      (amender) => amender.amend(options),
    );
  }
}
