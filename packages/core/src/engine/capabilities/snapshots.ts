/** The internal snapshots of a disk. */
import { DiskError } from '@diskfile/bytes';
import { checkArgument, checkOptions } from '../../arguments.ts';
import type { DiskSnapshots, SnapshotOptions } from '../../disk-capabilities.ts';
import type { SnapshotInfo } from '../../format/snapshot-info.ts';
import type { SnapshotWriter } from '../../format/writer-capabilities.ts';
import { quote } from '../../open/reference.ts';
import { runAsync, runSync, type Step } from '../../step.ts';
import type { CapabilityTarget } from './disk-change.ts';

export class Snapshots implements DiskSnapshots {
  readonly #target: CapabilityTarget;

  constructor(target: CapabilityTarget) {
    this.#target = target;
  }

  list(): readonly SnapshotInfo[] {
    return this.#target.image.snapshots ?? [];
  }

  async create(name: string, options: SnapshotOptions = {}): Promise<SnapshotInfo> {
    return await runAsync(this.#create(name, options));
  }

  createSync(name: string, options: SnapshotOptions = {}): SnapshotInfo {
    this.#target.needSync('createSync');
    return runSync(this.#create(name, options));
  }

  async apply(idOrName: string): Promise<void> {
    await runAsync(this.#apply(idOrName));
  }

  applySync(idOrName: string): void {
    this.#target.needSync('applySync');
    runSync(this.#apply(idOrName));
  }

  async delete(idOrName: string): Promise<void> {
    await runAsync(this.#delete(idOrName));
  }

  deleteSync(idOrName: string): void {
    this.#target.needSync('deleteSync');
    runSync(this.#delete(idOrName));
  }

  *#create(name: string, options: SnapshotOptions): Step<SnapshotInfo> {
    checkArgument('snapshot create', 'name', name, 'text');
    checkOptions('snapshot create', options, { date: 'date' });
    const { date = new Date() } = options;
    const milliseconds = date.getTime();
    const seconds = Math.floor(milliseconds / 1000);
    const nanoseconds = (milliseconds - seconds * 1000) * 1_000_000;
    return yield* this.#change('snapshot create', (snapshots) =>
      snapshots.create({ name, date: { seconds, nanoseconds } }),
    );
  }

  #apply(idOrName: string): Step<void> {
    return this.#change('snapshot apply', (snapshots) => snapshots.apply(this.#idOf(idOrName)));
  }

  #delete(idOrName: string): Step<void> {
    return this.#change('snapshot delete', (snapshots) => snapshots.delete(this.#idOf(idOrName)));
  }

  #change<T>(op: string, body: (snapshots: SnapshotWriter) => Step<T>): Step<T> {
    return this.#target.change(op, ({ snapshots }) => snapshots, body);
  }

  /** @throws DiskError `not-found` */
  #idOf(idOrName: string): string {
    checkArgument('snapshot', 'idOrName', idOrName, 'text');
    const list = this.list();
    const found =
      list.find(({ id }) => id === idOrName) ?? list.find(({ name }) => name === idOrName);
    if (found !== undefined) return found.id;
    throw new DiskError(
      'not-found',
      'disk.snapshot-not-found',
      `The disk has no snapshot ${quote(idOrName)}`,
      { hint: 'capabilities.snapshots.list() gives those that there are.' },
    );
  }
}
