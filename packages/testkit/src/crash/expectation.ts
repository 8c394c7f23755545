/** What a disk may show after a crash at some time of a workload. */
import type { DiskModel } from '../model/disk-model.ts';
import { firstDifference, firstForeignSector } from '../model/mismatch.ts';
import type { FoundDisk } from './found-disk.ts';
import type { WorkloadStep } from './workload.ts';

interface Possible {
  /** Size and snapshots, unless a step that is done as a whole has been. */
  readonly before: DiskModel;
  /** Each sector has to be as in one of these. */
  readonly contents: readonly Uint8Array[];
  /** What a step that is in progress, and is done as a whole, makes of the disk. */
  readonly next: DiskModel | undefined;
  /** The same of steps that failed: they may be done or not until something is durable again. */
  readonly uncertain: readonly DiskModel[];
}

export class Expectation {
  /** Tells apart those of one workload. */
  readonly key: string;
  readonly #possible: Possible;

  private constructor(key: string, possible: Possible) {
    this.key = key;
    this.#possible = possible;
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
    const isOpen =
      last?.operation.isAtomic === true && last.end > point && last.meant === undefined;
    const partial = isOpen ? since.slice(0, -1) : since;
    const failed = partial.filter(({ operation }) => operation.isAtomic === true);
    return new Expectation(`${flushed} ${begun.length} ${isOpen}`, {
      before: partial.at(-1)?.after ?? base,
      contents: [base.content, ...partial.flatMap((step) => step.contents)],
      next: isOpen ? last.after : undefined,
      uncertain: failed.flatMap(({ meant }) => meant ?? []),
    });
  }

  /** @returns what is wrong with a disk that was found; undefined when nothing is */
  fault(found: FoundDisk): string | undefined {
    const { before, contents, next, uncertain } = this.#possible;
    if (next !== undefined && isEqual(found, next)) return undefined;
    const models = [before, ...uncertain];
    const all = [...contents, ...uncertain.map(({ content }) => content)];
    if (!models.some(({ content }) => content.length === found.content.length)) {
      return `it has ${found.content.length} bytes, not ${before.content.length}`;
    }
    if (!models.some(({ snapshots }) => namesOf(snapshots) === namesOf(found.snapshots))) {
      return `its snapshots are [${namesOf(found.snapshots)}], not [${namesOf(before.snapshots)}]`;
    }
    for (const { name, content } of found.snapshots) {
      const known = models.flatMap(({ snapshots }) => snapshots.filter((one) => one.name === name));
      const may = known.map((one) => one.content);
      // What was written after a snapshot that failed may be in it.
      const sector = firstForeignSector(content, uncertain.length === 0 ? may : [...may, ...all]);
      if (sector !== -1) return `sector ${sector} of snapshot ${name} is wrong`;
    }
    const sector = firstForeignSector(found.content, all);
    return sector === -1 ? undefined : `sector ${sector} holds what was never written there`;
  }
}

function namesOf(snapshots: readonly { readonly name: string }[]): string {
  return snapshots.map(({ name }) => name).join(', ');
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
