/** A real disk that is tried: its files, and the handles that are open on it. */
import type { DiskFile } from '@diskfile/core';
import type { Subject } from '../subject/subject.ts';
import type { SubjectFiles } from '../subject/subject-files.ts';
import { describeDirty, DiskModel, type GuestWindow } from './disk-model.ts';
import {
  expectEqual,
  firstDifference,
  firstForeignByte,
  isZero,
  Mismatch,
  readAll,
} from './mismatch.ts';

export class DiskTrial {
  readonly subject: Subject;
  readonly files: SubjectFiles;
  #handles: DiskFile[];

  constructor(subject: Subject, files: SubjectFiles = subject.create()) {
    this.subject = subject;
    this.files = files;
    this.#handles = [subject.open(files)];
  }

  /** The first handle. */
  get disk(): DiskFile {
    return this.#handles[0]!;
  }

  get handles(): readonly DiskFile[] {
    return this.#handles;
  }

  /** Any handle; the same for the same number. */
  handle(number: number): DiskFile {
    return this.#handles[number % this.#handles.length]!;
  }

  clone(number: number): void {
    this.#handles.push(this.handle(number).tryClone());
  }

  /** Closes one handle of several. */
  drop(number: number): void {
    const [handle] = this.#handles.splice(number % this.#handles.length, 1);
    handle!.closeSync();
  }

  close(): void {
    const handles = this.#handles;
    this.#handles = [];
    for (const handle of handles) handle.closeSync();
  }

  reopen(options: { readonly readOnly?: boolean } = {}): void {
    this.close();
    this.#handles = [this.subject.open(this.files, options)];
  }

  /** What the disk is now, as a model; for a fresh image, which keeps nothing yet. */
  modelNow(): DiskModel {
    const { disk, subject } = this;
    const { resizing, snapshots, bitmaps, compression, amending, backing } = disk.capabilities;
    const model = new DiskModel(readAll(disk), {
      clusterBytes: subject.clusterBytes,
      startBytes: subject.sizeBytes,
      backing: subject.backing,
      canResize: resizing !== undefined,
      growsOnly: subject.growsOnly ?? false,
      // Nothing counts how often clusters of a data file are used.
      canSnapshot: snapshots !== undefined && subject.options['data_file'] === undefined,
      canKeepBitmaps: bitmaps !== undefined,
      canCompress: compression !== undefined,
      canAmend: amending !== undefined,
      canDropContent: backing !== undefined,
    });
    model.maxSnapshots = subject.maxSnapshots;
    model.mayCreateBitmaps = subject.mayCreateBitmaps;
    return model;
  }

  read({ guestOffset, lengthBytes }: GuestWindow, number = 0): Uint8Array {
    const bytes = new Uint8Array(lengthBytes).fill(0xee);
    this.handle(number).readSync(bytes, guestOffset);
    return bytes;
  }

  expectWindow(model: DiskModel, window: GuestWindow): void {
    expectEqual(this.read(window), model.window(window), 'the disk', window.guestOffset);
  }

  /**
   * Takes over what the disk reads, after an operation that may have done a part of what it should.
   * @param states content before it, and after each of its parts
   */
  adopt(model: DiskModel, states: readonly Uint8Array[]): void {
    const found = readAll(this.disk);
    const at = firstForeignByte(found, states);
    if (at !== -1) throw new Mismatch(`the byte at ${at} is neither old nor new: ${found[at]!}`);
    model.content.set(found);
  }

  /**
   * Takes over what the bitmaps call dirty after a change that failed: all that was before it, all
   * that has changed, and at most what the change would have made dirty.
   */
  adoptBitmaps(model: DiskModel, before: DiskModel, after: DiskModel): void {
    for (const [index, { name, dirty, granularityBytes }] of model.bitmaps.entries()) {
      const found = dirtyGranulesOf(this.disk, name, granularityBytes);
      const old = before.bitmaps[index]!.dirty;
      const most = after.bitmaps[index]!.dirty;
      for (const granule of new Set([...found, ...most])) {
        if (found.has(granule) && !most.has(granule)) {
          throw new Mismatch(`bitmap ${name} has granule ${granule} dirty without reason`);
        }
        const window = { guestOffset: granule * granularityBytes, lengthBytes: granularityBytes };
        const isChanged =
          firstDifference(model.window(window), before.window(window)) !== -1 || old.has(granule);
        if (isChanged && !found.has(granule)) {
          throw new Mismatch(`bitmap ${name} does not have granule ${granule} dirty`);
        }
      }
      for (const granule of found) dirty.add(granule);
    }
  }

  /** Whether the disk has the content, the snapshots and the bitmaps of a model. */
  shows(model: DiskModel): boolean {
    const list = this.disk.capabilities.snapshots?.list() ?? [];
    return (
      list.map(({ name }) => name).join() === model.snapshots.map(({ name }) => name).join() &&
      this.#faultOfBitmaps(model) === undefined &&
      firstDifference(readAll(this.disk), model.content) === -1
    );
  }

  /** Compares everything that can be seen through the open disk. */
  expectAll(model: DiskModel): void {
    const { disk } = this;
    if (disk.sizeBytes !== model.sizeBytes) {
      throw new Mismatch(`the disk has ${disk.sizeBytes} bytes, not ${model.sizeBytes}`);
    }
    expectEqual(readAll(disk), model.content, 'the disk');
    this.#expectStatus(model);
    this.#expectSnapshots(model);
    const fault = this.#faultOfBitmaps(model);
    if (fault !== undefined) throw new Mismatch(fault);
  }

  #faultOfBitmaps({ bitmaps, sizeBytes }: DiskModel): string | undefined {
    const list = this.disk.capabilities.bitmaps?.list() ?? [];
    const show = (each: readonly (readonly [string, boolean])[]) =>
      each.map(([name, enabled]) => `${name} ${enabled ? 'on' : 'off'}`).join(', ');
    const found = show(list.map(({ name, flags }) => [name, flags.includes('auto')]));
    const expected = show(bitmaps.map(({ name, enabled }) => [name, enabled]));
    if (found !== expected) return `the bitmaps are [${found}], not [${expected}]`;
    for (const bitmap of bitmaps) {
      const ranges = dirtyRangesOf(this.disk, bitmap.name);
      const dirty = describeDirty(bitmap, sizeBytes);
      if (ranges !== dirty) return `bitmap ${bitmap.name} has [${ranges}] dirty, not [${dirty}]`;
    }
    return undefined;
  }

  /** Snapshots are durable at once, so that another reader of the files sees them. */
  #expectSnapshots({ snapshots }: DiskModel): void {
    const list = this.disk.capabilities.snapshots?.list() ?? [];
    const names = list.map(({ name }) => name).join(', ');
    const expected = snapshots.map(({ name }) => name).join(', ');
    if (names !== expected) throw new Mismatch(`the snapshots are [${names}], not [${expected}]`);
    for (const { name, content } of snapshots) {
      const disk = this.subject.open(this.files, { readOnly: true, snapshot: name });
      expectEqual(readAll(disk), content, `snapshot ${name}`);
      disk.closeSync();
    }
  }

  /** Block status tiles the disk, and what it calls zero is. */
  #expectStatus(model: DiskModel): void {
    let end = 0;
    for (const { guestOffset, lengthBytes, zero } of this.disk.blockStatusSync()) {
      if (guestOffset !== end) throw new Mismatch(`block status leaves a gap at ${end}`);
      end += lengthBytes;
      if (zero && !isZero(model.window({ guestOffset, lengthBytes }))) {
        throw new Mismatch(`block status says zeros at ${guestOffset}, and they are not`);
      }
    }
    if (end !== model.sizeBytes) throw new Mismatch(`block status ends at ${end}`);
  }
}

/** In the words of {@link describeDirty}. */
export function dirtyRangesOf(disk: DiskFile, name: string): string {
  return Array.from(
    disk.capabilities.bitmaps!.dirtyRangesSync(name),
    ({ guestOffset, lengthBytes }) => `${guestOffset}-${guestOffset + lengthBytes}`,
  ).join(' ');
}

function dirtyGranulesOf(disk: DiskFile, name: string, granularityBytes: number): Set<number> {
  const granules = new Set<number>();
  for (const { guestOffset, lengthBytes } of disk.capabilities.bitmaps!.dirtyRangesSync(name)) {
    const end = guestOffset + lengthBytes;
    for (let at = guestOffset; at < end; at += granularityBytes)
      granules.add(at / granularityBytes);
  }
  return granules;
}
