import type { BatchOperation } from '@diskfile/core';
import fc from 'fast-check';
import type { DiskTrial } from '../disk-trial.ts';
import type { Operation } from '../operation.ts';

export class Flush implements Operation {
  readonly kind = 'flush';
  readonly isDurable = true;
  readonly #handle: number;

  constructor(handle = 0) {
    this.#handle = handle;
  }

  perform(trial: DiskTrial): void {
    trial.handle(this.#handle).flushSync();
  }

  apply(): void {}

  asBatch(): BatchOperation {
    return { op: 'flush' };
  }

  toString(): string {
    return 'flush';
  }
}

export const flushes: fc.Arbitrary<Operation> = fc.nat(2).map((handle) => new Flush(handle));
