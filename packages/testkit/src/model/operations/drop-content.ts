import fc from 'fast-check';
import type { DiskModel } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import type { Operation } from '../operation.ts';

/** The image gives up what it holds, so that what lies below it is seen. Bitmaps do not mind. */
export class DropContent implements Operation {
  readonly kind = 'drop content';
  readonly isDurable = true;
  readonly changesMuch = true;

  isPossible({ traits }: DiskModel): boolean {
    return traits.canDropContent;
  }

  perform(trial: DiskTrial): void {
    trial.disk.capabilities.backing!.dropContentSync();
  }

  apply(model: DiskModel): void {
    const { backing } = model.traits;
    model.content.fill(0);
    if (backing !== undefined) model.content.set(backing.subarray(0, model.sizeBytes));
  }

  toString(): string {
    return 'drop content';
  }
}

export const drops: fc.Arbitrary<Operation> = fc.constant(null).map(() => new DropContent());
