/** Changing options of the format of an image that is there already. */
import { DiskError } from '@diskfile/bytes';
import { checkArgument } from '../../arguments.ts';
import type { DiskAmending, FormatOptions } from '../../disk-capabilities.ts';
import { runAsync, runSync, type Step } from '../../step.ts';
import type { CapabilityTarget } from './disk-change.ts';
import { resizeWith } from './resizing.ts';

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

  *#step(options: FormatOptions): Step<void> {
    checkArgument('amend', 'options', options, 'formatOptions');
    yield* this.#target.change(
      'amend',
      ({ amender }) => amender,
      (amender) => amender.amend(options, { resize: (sizeBytes) => this.#resize(sizeBytes) }),
    );
  }

  *#resize(sizeBytes: number): Step<void> {
    const { resizer } = this.#target.image.writer!;
    if (resizer === undefined) throw notResizable();
    yield* resizeWith(this.#target, resizer, sizeBytes, {});
  }
}

function notResizable(): DiskError {
  return new DiskError('unsupported', 'disk.not-capable', 'The image cannot be resized', {
    op: 'amend',
  });
}
