import fc from 'fast-check';
import type { DiskModel } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import { expectEqual } from '../mismatch.ts';
import type { Operation } from '../operation.ts';
import { discards } from './discard.ts';
import { flushes } from './flush.ts';
import { reads } from './read.ts';
import { writes } from './write.ts';
import { zeroWrites } from './write-zeroes.ts';

/** Several operations that are submitted together; they take effect in their order. */
export class Batch implements Operation {
  readonly kind = 'batch';
  readonly changesMuch = true;
  readonly parts: readonly Operation[];
  readonly #handle: number;
  readonly isPartial: boolean;

  constructor(operations: readonly Operation[], handle: number) {
    this.parts = operations;
    this.#handle = handle;
    this.isPartial = operations.some(({ isPartial }) => isPartial === true);
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    const operations = this.parts.map((operation) => operation.asBatch!(model));
    const results = trial.handle(this.#handle).submitBatchSync(operations);
    for (const { error } of results) if (error !== undefined) throw error;
    // What was discarded before it is read may be old or zeros.
    if (this.isPartial) return;
    const meanwhile = model.clone();
    for (const [index, operation] of operations.entries()) {
      if (operation.op !== 'read') {
        this.parts[index]!.apply(meanwhile);
        continue;
      }
      const { guestOffset, buffer } = operation;
      const expected = meanwhile.window({ guestOffset, lengthBytes: buffer.length });
      expectEqual(buffer, expected, 'what a batch reads', guestOffset);
    }
  }

  apply(model: DiskModel): void {
    for (const operation of this.parts) operation.apply(model);
  }

  toString(): string {
    return `batch[${this.parts.join('; ')}]`;
  }
}

export const batches: fc.Arbitrary<Operation> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 4, arbitrary: writes },
        { weight: 2, arbitrary: reads },
        { weight: 1, arbitrary: zeroWrites },
        { weight: 1, arbitrary: discards },
        { weight: 1, arbitrary: flushes },
      ),
      { minLength: 1, maxLength: 6 },
    ),
    fc.nat(2),
  )
  .map(([operations, handle]) => new Batch(operations, handle));
