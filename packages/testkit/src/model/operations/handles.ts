/** Handles that come and go; the last one that is closed closes the image. */
import fc from 'fast-check';
import type { DiskModel } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import type { Operation } from '../operation.ts';

const MAX_HANDLES = 3;

export class CloneHandle implements Operation {
  readonly kind = 'clone';
  readonly #handle: number;

  constructor(handle: number) {
    this.#handle = handle;
  }

  isPossible({ handles }: DiskModel): boolean {
    return handles < MAX_HANDLES;
  }

  perform(trial: DiskTrial): void {
    trial.clone(this.#handle);
  }

  apply(model: DiskModel): void {
    model.handles += 1;
  }

  toString(): string {
    return `clone(${this.#handle})`;
  }
}

export class CloseHandle implements Operation {
  readonly kind = 'close';
  readonly #handle: number;

  constructor(handle: number) {
    this.#handle = handle;
  }

  isPossible({ handles }: DiskModel): boolean {
    return handles > 1;
  }

  perform(trial: DiskTrial): void {
    trial.drop(this.#handle);
  }

  apply(model: DiskModel): void {
    model.handles -= 1;
  }

  toString(): string {
    return `close(${this.#handle})`;
  }
}

export class Reopen implements Operation {
  readonly kind = 'reopen';
  readonly isDurable = true;
  readonly changesMuch = true;

  perform(trial: DiskTrial): void {
    trial.reopen();
  }

  apply(model: DiskModel): void {
    model.handles = 1;
  }

  toString(): string {
    return 'reopen';
  }
}

export const handleOperations: fc.Arbitrary<Operation> = fc.oneof(
  fc.nat(2).map((handle) => new CloneHandle(handle)),
  fc.nat(2).map((handle) => new CloseHandle(handle)),
  fc.constant(null).map(() => new Reopen()),
);
