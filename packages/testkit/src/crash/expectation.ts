/** What a disk may show after a crash at some time of a workload. */
import { describeDirty, type DiskModel } from '../model/disk-model.ts';
import { firstDifference, firstForeignSector } from '../model/mismatch.ts';
import type { FoundDisk } from './found-disk.ts';
import type { WorkloadStep } from './workload.ts';

interface Possible {
  /** Size, snapshots and bitmaps, unless a step that is done as a whole has been. */
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

  /** The model to go on with from a disk that was found and has no fault. */
  modelOf(found: FoundDisk): DiskModel {
    const { before, next, uncertain } = this.#possible;
    const models = next === undefined ? [before, ...uncertain] : [next, before, ...uncertain];
    const model = models
      .find(
        ({ content, snapshots, bitmaps }) =>
          content.length === found.content.length &&
          namesOf(snapshots) === namesOf(found.snapshots) &&
          namesOf(bitmaps) === namesOf(found.bitmaps),
      )!
      .clone();
    model.content.set(found.content);
    return model;
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
    const fault = faultOfBitmaps(found, models);
    if (fault !== undefined) return fault;
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

/** A bitmap that does not say of itself that it is wrong has to be right. */
function faultOfBitmaps(found: FoundDisk, models: readonly DiskModel[]): string | undefined {
  if (!models.some(({ bitmaps }) => namesOf(bitmaps) === namesOf(found.bitmaps))) {
    return `its bitmaps are [${namesOf(found.bitmaps)}], not [${namesOf(models[0]!.bitmaps)}]`;
  }
  for (const { name, dirty } of found.bitmaps) {
    const known = models.flatMap(({ bitmaps, sizeBytes }) =>
      bitmaps.filter((one) => one.name === name).map((one) => describeDirty(one, sizeBytes)),
    );
    if (dirty === undefined || known.includes(dirty)) continue;
    return `bitmap ${name} has [${dirty}] dirty, not [${known.join('] or [')}]`;
  }
  return undefined;
}

function namesOf(list: readonly { readonly name: string }[]): string {
  return list.map(({ name }) => name).join(', ');
}

function isEqual(found: FoundDisk, model: DiskModel): boolean {
  return (
    firstDifference(found.content, model.content) === -1 &&
    namesOf(found.snapshots) === namesOf(model.snapshots) &&
    found.snapshots.every(
      ({ content }, index) => firstDifference(content, model.snapshots[index]!.content) === -1,
    ) &&
    faultOfBitmaps(found, [model]) === undefined
  );
}
