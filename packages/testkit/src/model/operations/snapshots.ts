/** Snapshots are made, gone back to and deleted. What they hold is compared with the rest. */
import fc from 'fast-check';
import type { DiskModel, SnapshotModel } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import type { Operation } from '../operation.ts';

const MAX_SNAPSHOTS = 4;
const NAMES = 20;

export class CreateSnapshot implements Operation {
  readonly kind = 'snapshot create';
  readonly isDurable = true;
  readonly isAtomic = true;
  readonly changesMuch = true;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  isPossible({ traits, snapshots }: DiskModel): boolean {
    if (!traits.canSnapshot || snapshots.length === MAX_SNAPSHOTS) return false;
    return !snapshots.some(({ name }) => name === this.#name);
  }

  /** Clusters may be shared by so many only. */
  mayBeRefused({ maxSnapshots, snapshots }: DiskModel): boolean {
    return snapshots.length >= maxSnapshots;
  }

  perform(trial: DiskTrial): void {
    trial.disk.capabilities.snapshots!.createSync(this.#name, { date: new Date(0) });
  }

  apply(model: DiskModel): void {
    model.snapshots = [...model.snapshots, { name: this.#name, content: model.content.slice() }];
  }

  toString(): string {
    return `snapshot create(${this.#name})`;
  }
}

/** One of the snapshots, whichever there are when it is done. */
abstract class OnSnapshot implements Operation {
  abstract readonly kind: string;
  readonly isDurable = true;
  readonly isAtomic = true;
  readonly changesMuch = true;
  readonly #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  isPossible({ snapshots }: DiskModel): boolean {
    return snapshots.length > 0;
  }

  protected of({ snapshots }: DiskModel): SnapshotModel {
    return snapshots[this.#number % snapshots.length]!;
  }

  abstract perform(trial: DiskTrial, model: DiskModel): void;
  abstract apply(model: DiskModel): void;

  toString(): string {
    return `${this.kind}(${this.#number})`;
  }
}

export class ApplySnapshot extends OnSnapshot {
  readonly kind = 'snapshot apply';

  /** Bitmaps would no longer fit the content; version 2 has no snapshots of another size. */
  mayBeRefused(model: DiskModel): boolean {
    return model.bitmaps.length > 0 || this.of(model).content.length !== model.sizeBytes;
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    trial.disk.capabilities.snapshots!.applySync(this.of(model).name);
  }

  apply(model: DiskModel): void {
    model.content = this.of(model).content.slice();
  }
}

export class DeleteSnapshot extends OnSnapshot {
  readonly kind = 'snapshot delete';

  perform(trial: DiskTrial, model: DiskModel): void {
    trial.disk.capabilities.snapshots!.deleteSync(this.of(model).name);
  }

  apply(model: DiskModel): void {
    const gone = this.of(model);
    model.snapshots = model.snapshots.filter((snapshot) => snapshot !== gone);
  }
}

export const snapshotOperations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.nat(NAMES).map((number) => new CreateSnapshot(`s${number}`)) },
  { weight: 1, arbitrary: fc.nat(MAX_SNAPSHOTS).map((number) => new ApplySnapshot(number)) },
  { weight: 2, arbitrary: fc.nat(MAX_SNAPSHOTS).map((number) => new DeleteSnapshot(number)) },
);
