/** What a disk may show after a crash at some time of a workload. */
import type { DiskModel } from '../model/disk-model.ts';
import { firstDifference, firstForeignSector } from '../model/mismatch.ts';
import type { FoundDisk } from './found-disk.ts';
import type { WorkloadStep } from './workload.ts';

export class Expectation {
  /** Tells apart those of one workload. */
  readonly key: string;
  /** Apart from its content, what the disk is unless the step in progress is done. */
  readonly #before: DiskModel;
  /** Each sector has to be as in one of these. */
  readonly #contents: readonly Uint8Array[];
  /** All of the disk may instead be this. */
  readonly #atomic: DiskModel | undefined;

  private constructor(
    key: string,
    before: DiskModel,
    contents: readonly Uint8Array[],
    atomic: DiskModel | undefined,
  ) {
    this.key = key;
    this.#before = before;
    this.#contents = contents;
    this.#atomic = atomic;
  }

  /** What has to be there when the power goes right after `point`. */
  static at(point: number, begin: DiskModel, steps: readonly WorkloadStep[]): Expectation {
    const begun = steps.filter(({ start }) => start < point);
    const flushed = begun.findLastIndex(
      ({ operation, end }) => operation.isDurable === true && end <= point,
    );
    const base = begun[flushed]?.after ?? begin;
    const since = begun.slice(flushed + 1);
    const last = since.at(-1);
    const isOpen = last?.operation.isAtomic === true && last.end > point;
    const partial = isOpen ? since.slice(0, -1) : since;
    const contents = [base.content, ...partial.flatMap((step) => step.contents)];
    const before = partial.at(-1)?.after ?? base;
    const key = `${flushed} ${begun.length} ${isOpen}`;
    return new Expectation(key, before, contents, isOpen ? last.after : undefined);
  }

  /** @returns what is wrong with a disk that was found; undefined when nothing is */
  fault(found: FoundDisk): string | undefined {
    const isNew = this.#atomic !== undefined && isEqual(found, this.#atomic);
    return isNew ? undefined : this.#faultOfOld(found);
  }

  #faultOfOld({ content, snapshots }: FoundDisk): string | undefined {
    const before = this.#before;
    if (content.length !== before.content.length) {
      return `it has ${content.length} bytes, not ${before.content.length}`;
    }
    const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).join(', ');
    if (names(snapshots) !== names(before.snapshots)) {
      return `its snapshots are [${names(snapshots)}], not [${names(before.snapshots)}]`;
    }
    for (const [index, snapshot] of snapshots.entries()) {
      const at = firstDifference(snapshot.content, before.snapshots[index]!.content);
      if (at !== -1) return `snapshot ${snapshot.name} differs at ${at}`;
    }
    const sector = firstForeignSector(content, this.#contents);
    return sector === -1 ? undefined : `sector ${sector} holds what was never written there`;
  }
}

function isEqual({ content, snapshots }: FoundDisk, model: DiskModel): boolean {
  return (
    firstDifference(content, model.content) === -1 &&
    snapshots.length === model.snapshots.length &&
    snapshots.every((snapshot, index) => {
      const expected = model.snapshots[index]!;
      const isSame = firstDifference(snapshot.content, expected.content) === -1;
      return snapshot.name === expected.name && isSame;
    })
  );
}
