/** Persistent dirty bitmaps come and go, are cleared, switched on and off, and merged. */
import fc from 'fast-check';
import { type BitmapModel, type DiskModel, markGranules } from '../disk-model.ts';
import type { DiskTrial } from '../disk-trial.ts';
import type { Operation } from '../operation.ts';

const MAX_BITMAPS = 3;
const NAMES = 6;
const GRANULARITIES = [512, 4096, 65_536];

export class CreateBitmap implements Operation {
  readonly kind = 'bitmap create';
  readonly isDurable = true;
  readonly isAtomic = true;
  readonly changesMuch = true;
  readonly #name: string;
  readonly #granularityBytes: number;
  readonly #enabled: boolean;

  constructor(name: string, granularityBytes: number, enabled: boolean) {
    this.#name = name;
    this.#granularityBytes = granularityBytes;
    this.#enabled = enabled;
  }

  isPossible({ traits, bitmaps }: DiskModel): boolean {
    if (!traits.canKeepBitmaps || bitmaps.length === MAX_BITMAPS) return false;
    return !bitmaps.some(({ name }) => name === this.#name);
  }

  /** An empty disk has none. */
  mayBeRefused({ mayCreateBitmaps, sizeBytes }: DiskModel): boolean {
    return !mayCreateBitmaps || sizeBytes === 0;
  }

  perform(trial: DiskTrial): void {
    trial.disk.capabilities.bitmaps!.createSync(this.#name, {
      granularityBytes: this.#granularityBytes,
      enabled: this.#enabled,
    });
  }

  apply(model: DiskModel): void {
    const bitmap = {
      name: this.#name,
      granularityBytes: this.#granularityBytes,
      enabled: this.#enabled,
      dirty: new Set<number>(),
    };
    model.bitmaps = [...model.bitmaps, bitmap];
  }

  toString(): string {
    const state = this.#enabled ? 'on' : 'off';
    return `bitmap create(${this.#name}, ${this.#granularityBytes}, ${state})`;
  }
}

export type BitmapChange = 'remove' | 'enable' | 'disable' | 'clear';

const CHANGES: Readonly<Record<BitmapChange, (model: DiskModel, bitmap: BitmapModel) => void>> = {
  remove: (model, bitmap) => {
    model.bitmaps = model.bitmaps.filter((other) => other !== bitmap);
  },
  enable: (_, bitmap) => {
    bitmap.enabled = true;
  },
  disable: (_, bitmap) => {
    bitmap.enabled = false;
  },
  clear: (_, { dirty }) => dirty.clear(),
};

/** A change of one bitmap, whichever there are when it is done. */
export class ChangeBitmap implements Operation {
  readonly kind: string;
  readonly isDurable = true;
  readonly isAtomic = true;
  readonly changesMuch = true;
  readonly #change: BitmapChange;
  readonly #number: number;

  constructor(change: BitmapChange, number: number) {
    this.kind = `bitmap ${change}`;
    this.#change = change;
    this.#number = number;
  }

  isPossible({ bitmaps }: DiskModel): boolean {
    return bitmaps.length > 0;
  }

  #of({ bitmaps }: DiskModel): BitmapModel {
    return bitmaps[this.#number % bitmaps.length]!;
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    trial.disk.capabilities.bitmaps![`${this.#change}Sync`](this.#of(model).name);
  }

  apply(model: DiskModel): void {
    CHANGES[this.#change](model, this.#of(model));
  }

  toString(): string {
    return `${this.kind}(${this.#number})`;
  }
}

export class MergeBitmaps implements Operation {
  readonly kind = 'bitmap merge';
  readonly isDurable = true;
  readonly isAtomic = true;
  readonly changesMuch = true;
  readonly #target: number;
  readonly #source: number;

  constructor(target: number, source: number) {
    this.#target = target;
    this.#source = source;
  }

  isPossible({ bitmaps }: DiskModel): boolean {
    return bitmaps.length > 1;
  }

  #of({ bitmaps }: DiskModel): { target: BitmapModel; sources: readonly BitmapModel[] } {
    const target = bitmaps[this.#target % bitmaps.length]!;
    const others = bitmaps.filter((bitmap) => bitmap !== target);
    const first = others[this.#source % others.length]!;
    return { target, sources: this.#source % 2 === 0 ? [first] : others };
  }

  perform(trial: DiskTrial, model: DiskModel): void {
    const { target, sources } = this.#of(model);
    const names = sources.map(({ name }) => name);
    trial.disk.capabilities.bitmaps!.mergeSync(target.name, names);
  }

  apply(model: DiskModel): void {
    const { target, sources } = this.#of(model);
    for (const { dirty, granularityBytes } of sources) {
      for (const granule of dirty) {
        const start = granule * granularityBytes;
        const end = Math.min(start + granularityBytes, model.sizeBytes);
        markGranules(target, start, end - start);
      }
    }
  }

  toString(): string {
    return `bitmap merge(${this.#target}, ${this.#source})`;
  }
}

const anyOne = fc.nat(MAX_BITMAPS);

export const bitmapOperations: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.nat(NAMES), fc.constantFrom(...GRANULARITIES), fc.boolean())
      .map(([name, granularity, on]) => new CreateBitmap(`b${name}`, granularity, on)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom<BitmapChange>('remove', 'enable', 'disable', 'clear'), anyOne)
      .map(([change, number]) => new ChangeBitmap(change, number)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(anyOne, anyOne).map(([target, source]) => new MergeBitmaps(target, source)),
  },
);
