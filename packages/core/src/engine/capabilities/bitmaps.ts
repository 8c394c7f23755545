/** The persistent dirty bitmaps of a disk. */
import { DiskError } from '@diskfile/bytes';
import { checkArgument, checkFields, checkOptions } from '../../arguments.ts';
import type { BitmapOptions, DiskBitmaps } from '../../disk-capabilities.ts';
import type { BitmapInfo } from '../../format/snapshot-info.ts';
import type { BitmapWriter, DirtyGuestRange } from '../../format/writer-capabilities.ts';
import { runAsync, runSync, type Step } from '../../step.ts';
import type { CapabilityTarget } from './disk-change.ts';

const RANGE_KINDS = { guestOffset: 'number', lengthBytes: 'number' } as const;

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

  *#create(name: string, options: BitmapOptions): Step<void> {
    checkOptions('bitmap add', options, { granularityBytes: 'any', enabled: 'flag' });
    const { granularityBytes, enabled = true } = options;
    yield* this.#change('add', name, (bitmaps) =>
      bitmaps.create({ name, granularityBytes, enabled }),
    );
  }

  async remove(name: string): Promise<void> {
    await runAsync(this.#change('remove', name, (bitmaps) => bitmaps.remove(name)));
  }

  removeSync(name: string): void {
    this.#target.needSync('removeSync');
    runSync(this.#change('remove', name, (bitmaps) => bitmaps.remove(name)));
  }

  async enable(name: string): Promise<void> {
    await runAsync(this.#change('enable', name, (bitmaps) => bitmaps.enable(name)));
  }

  enableSync(name: string): void {
    this.#target.needSync('enableSync');
    runSync(this.#change('enable', name, (bitmaps) => bitmaps.enable(name)));
  }

  async disable(name: string): Promise<void> {
    await runAsync(this.#change('disable', name, (bitmaps) => bitmaps.disable(name)));
  }

  disableSync(name: string): void {
    this.#target.needSync('disableSync');
    runSync(this.#change('disable', name, (bitmaps) => bitmaps.disable(name)));
  }

  async clear(name: string): Promise<void> {
    await runAsync(this.#change('clear', name, (bitmaps) => bitmaps.clear(name)));
  }

  clearSync(name: string): void {
    this.#target.needSync('clearSync');
    runSync(this.#change('clear', name, (bitmaps) => bitmaps.clear(name)));
  }

  async merge(target: string, sources: readonly string[]): Promise<void> {
    await runAsync(this.#merge(target, sources));
  }

  mergeSync(target: string, sources: readonly string[]): void {
    this.#target.needSync('mergeSync');
    runSync(this.#merge(target, sources));
  }

  *#merge(target: string, sources: readonly string[]): Step<void> {
    checkArgument('bitmap merge', 'sources', sources, 'texts');
    yield* this.#change('merge', target, (bitmaps) => bitmaps.merge(target, sources));
  }

  async mark(name: string, ranges: Iterable<DirtyGuestRange>): Promise<void> {
    const checked = [...this.#checked(ranges)];
    await runAsync(this.#change('mark', name, (bitmaps) => bitmaps.mark(name, checked)));
  }

  markSync(name: string, ranges: Iterable<DirtyGuestRange>): void {
    this.#target.needSync('markSync');
    const checked = [...this.#checked(ranges)];
    runSync(this.#change('mark', name, (bitmaps) => bitmaps.mark(name, checked)));
  }

  *#checked(ranges: Iterable<DirtyGuestRange>): Generator<DirtyGuestRange> {
    const { sizeBytes } = this.#target.image;
    checkArgument('bitmap mark', 'ranges', ranges, 'iterable');
    for (const range of ranges) {
      checkFields('bitmap mark', range, RANGE_KINDS, ['guestOffset', 'lengthBytes'], 'ranges[]');
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
    checkArgument('bitmap read', 'name', name, 'text');
    const { image } = this.#target;
    return this.#target.read('bitmap read', () => {
      if (image.bitmapReader === undefined) throw noReader();
      return image.bitmapReader.nextDirty(name, guestOffset, image.sizeBytes);
    });
  }

  *#change(what: string, name: string, body: (bitmaps: BitmapWriter) => Step<void>): Step<void> {
    checkArgument(`bitmap ${what}`, 'name', name, 'text');
    yield* this.#target.change(`bitmap ${what}`, ({ bitmaps }) => bitmaps, body);
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
