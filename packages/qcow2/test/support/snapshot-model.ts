/** What a disk and its snapshots hold, as plain bytes, and random work on both. */
import type { DiskFile } from '@diskfile/core';
import { contentOf } from './content.ts';
import { firstDifference, readAll } from './open-image.ts';
import { type ImageFiles, openWritable } from './writable-image.ts';

interface KeptState {
  readonly id: string;
  readonly name: string;
  readonly content: Uint8Array;
}

export type WorkKind = GuestWork | 'flush' | 'create' | 'apply' | 'delete';
type GuestWork = 'write' | 'compress' | 'zero' | 'discard';

/** How often each kind of work is done, as weights. */
const WEIGHTS: readonly (readonly [WorkKind, number])[] = [
  ['write', 10],
  ['compress', 4],
  ['zero', 3],
  ['discard', 3],
  ['flush', 1],
  ['create', 3],
  ['apply', 2],
  ['delete', 2],
];

export function randomKind(random: () => number): WorkKind {
  const total = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);
  let left = random() * total;
  for (const [kind, weight] of WEIGHTS) {
    left -= weight;
    if (left < 0) return kind;
  }
  return 'flush';
}

export class SnapshotModel {
  active: Uint8Array;
  kept: KeptState[];

  constructor(active: Uint8Array, kept: readonly KeptState[] = []) {
    this.active = active;
    this.kept = [...kept];
  }

  copy(): SnapshotModel {
    return new SnapshotModel(this.active.slice(), this.kept);
  }

  /** One piece of work on the disk, and on the model when it succeeds. */
  work(disk: DiskFile, kind: WorkKind, random: () => number): void {
    const snapshots = disk.capabilities.snapshots!;
    const chosen = this.kept[Math.floor(random() * this.kept.length)];
    if (kind === 'flush') disk.flushSync();
    else if (kind === 'create') {
      const name = `state ${Math.floor(random() * 5)}`;
      const { id } = snapshots.createSync(name);
      this.kept.push({ id, name, content: this.active.slice() });
    } else if (kind === 'apply' || kind === 'delete') {
      if (chosen === undefined) return;
      if (kind === 'apply') {
        snapshots.applySync(chosen.id);
        this.active = chosen.content.slice();
      } else {
        snapshots.deleteSync(chosen.id);
        this.kept = this.kept.filter((state) => state !== chosen);
      }
    } else this.#change(disk, kind, random);
  }

  #change(disk: DiskFile, kind: GuestWork, random: () => number): void {
    if (kind === 'compress') return this.#compress(disk, random);
    const offset = Math.floor(random() * this.active.length);
    const wanted = 1 + Math.floor(random() * (random() < 0.6 ? 3000 : 60_000));
    const range = this.active.subarray(offset, Math.min(offset + wanted, this.active.length));
    if (kind === 'write') {
      range.set(contentOf(Math.floor(random() * 1000), range.length));
      disk.writeSync(range, offset);
    } else if (kind === 'zero') {
      range.fill(0);
      disk.writeZeroesSync(offset, range.length, { mayUnmap: random() < 0.5 });
    } else {
      disk.discardSync(offset, range.length);
      disk.readSync(range, offset);
    }
  }

  /** A few whole units. */
  #compress(disk: DiskFile, random: () => number): void {
    const compression = disk.capabilities.compression!;
    const { unitBytes } = compression;
    const units = Math.floor(this.active.length / unitBytes);
    const first = Math.floor(random() * units);
    const count = Math.min(1 + Math.floor(random() * 6), units - first);
    const range = this.active.subarray(first * unitBytes, (first + count) * unitBytes);
    range.set(contentOf(Math.floor(random() * 1000), range.length));
    compression.writeSync(range, first * unitBytes);
  }

  /** What of the disk is not what the model says; undefined when all is. */
  diskDifference(disk: DiskFile): string | undefined {
    const at = firstDifference(readAll(disk), this.active);
    if (at !== -1) return `the active state differs at ${at}`;
    const listed = disk.capabilities.snapshots!.list().map(({ id, name }) => `${id} ${name}`);
    const expected = this.kept.map(({ id, name }) => `${id} ${name}`);
    if (listed.join() === expected.join()) return undefined;
    return `there are the snapshots ${listed.join()}`;
  }

  /** As {@link diskDifference}, and what every snapshot holds in the file. */
  difference(files: ImageFiles, disk: DiskFile): string | undefined {
    const differing = this.diskDifference(disk);
    if (differing !== undefined) return differing;
    for (const { id, content } of this.kept) {
      const snapshot = openWritable(files, { writable: false, snapshot: id });
      const differs = firstDifference(readAll(snapshot), content);
      if (differs !== -1) return `snapshot ${id} differs at ${differs}`;
    }
    return undefined;
  }
}
