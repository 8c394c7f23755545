/** The persistent dirty bitmaps of a disk. */
import { DiskError } from '@diskfile/bytes';
import type { BitmapOptions, DiskBitmaps } from '../../disk-capabilities.ts';
import type { BitmapInfo } from '../../format/snapshot-info.ts';
import type { BitmapWriter, DirtyGuestRange } from '../../format/writer-capabilities.ts';
import { runAsync, runSync, type Step } from '../../step.ts';
import type { CapabilityTarget } from './disk-change.ts';

export class Bitmaps implements DiskBitmaps {
  readonly #target: CapabilityTarget;

  constructor(target: CapabilityTarget) {
    this.#target = target;
  }

  list(): readonly BitmapInfo[] {
    return this.#target.image.bitmaps ?? [];
  }

  async create(name: string, options: BitmapOptions = {}): Promise<void> {
    await runAsync(this.#create(name, options));
  }

  createSync(name: string, options: BitmapOptions = {}): void {
    this.#target.needSync('createSync');
    runSync(this.#create(name, options));
  }

  #create(name: string, { granularityBytes, enabled = true }: BitmapOptions): Step<void> {
    return this.#change('add', (bitmaps) => bitmaps.create({ name, granularityBytes, enabled }));
  }

  async remove(name: string): Promise<void> {
    await runAsync(this.#change('remove', (bitmaps) => bitmaps.remove(name)));
  }

  removeSync(name: string): void {
    this.#target.needSync('removeSync');
    runSync(this.#change('remove', (bitmaps) => bitmaps.remove(name)));
  }

  async enable(name: string): Promise<void> {
    await runAsync(this.#change('enable', (bitmaps) => bitmaps.enable(name)));
  }

  enableSync(name: string): void {
    this.#target.needSync('enableSync');
    runSync(this.#change('enable', (bitmaps) => bitmaps.enable(name)));
  }

  async disable(name: string): Promise<void> {
    await runAsync(this.#change('disable', (bitmaps) => bitmaps.disable(name)));
  }

  disableSync(name: string): void {
    this.#target.needSync('disableSync');
    runSync(this.#change('disable', (bitmaps) => bitmaps.disable(name)));
  }

  async clear(name: string): Promise<void> {
    await runAsync(this.#change('clear', (bitmaps) => bitmaps.clear(name)));
  }

  clearSync(name: string): void {
    this.#target.needSync('clearSync');
    runSync(this.#change('clear', (bitmaps) => bitmaps.clear(name)));
  }

  async merge(target: string, sources: readonly string[]): Promise<void> {
    await runAsync(this.#change('merge', (bitmaps) => bitmaps.merge(target, sources)));
  }

  mergeSync(target: string, sources: readonly string[]): void {
    this.#target.needSync('mergeSync');
    runSync(this.#change('merge', (bitmaps) => bitmaps.merge(target, sources)));
  }

  async mark(name: string, ranges: Iterable<DirtyGuestRange>): Promise<void> {
    const checked = [...this.#checked(ranges)];
    await runAsync(this.#change('mark', (bitmaps) => bitmaps.mark(name, checked)));
  }

  markSync(name: string, ranges: Iterable<DirtyGuestRange>): void {
    this.#target.needSync('markSync');
    const checked = [...this.#checked(ranges)];
    runSync(this.#change('mark', (bitmaps) => bitmaps.mark(name, checked)));
  }

  *#checked(ranges: Iterable<DirtyGuestRange>): Generator<DirtyGuestRange> {
    const { sizeBytes } = this.#target.image;
    for (const range of ranges) {
      const { guestOffset, lengthBytes } = range;
      const isWithin =
        guestOffset >= 0 && lengthBytes > 0 && guestOffset + lengthBytes <= sizeBytes;
      if (!isWithin) throw outsideTheDisk(range, sizeBytes);
      yield range;
    }
  }

  async *dirtyRanges(name: string): AsyncGenerator<DirtyGuestRange> {
    for (let at = 0; ;) {
      const range = await runAsync(this.#next(name, at));
      if (range === undefined) return;
      yield range;
      at = range.guestOffset + range.lengthBytes;
    }
  }

  *dirtyRangesSync(name: string): Generator<DirtyGuestRange> {
    this.#target.needSync('dirtyRangesSync');
    for (let at = 0; ;) {
      const range = runSync(this.#next(name, at));
      if (range === undefined) return;
      yield range;
      at = range.guestOffset + range.lengthBytes;
    }
  }

  #next(name: string, guestOffset: number): Step<DirtyGuestRange | undefined> {
    const { image } = this.#target;
    return this.#target.read('bitmap read', () => {
      if (image.bitmapReader === undefined) throw noReader();
      return image.bitmapReader.nextDirty(name, guestOffset, image.sizeBytes);
    });
  }

  #change(what: string, body: (bitmaps: BitmapWriter) => Step<void>): Step<void> {
    return this.#target.change(`bitmap ${what}`, ({ bitmaps }) => bitmaps, body);
  }
}

function outsideTheDisk(
  { guestOffset, lengthBytes }: DirtyGuestRange,
  sizeBytes: number,
): DiskError {
  return new DiskError(
    'out-of-range',
    'disk.range',
    `${lengthBytes} bytes at ${guestOffset} are not within a disk of ${sizeBytes} bytes`,
    { op: 'bitmap mark' },
  );
}

function noReader(): DiskError {
  return new DiskError(
    'unsupported',
    'disk.bitmap-content',
    'What the bitmaps of this image hold cannot be read',
    { hint: 'Open the image without a snapshot.' },
  );
}
