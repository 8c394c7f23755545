/** What the bitmaps of a disk hold, a byte for each granule, and random work on them. */
import type { DirtyGuestRange, DiskFile } from '@diskfile/core';
import { contentOf } from './content.ts';
import { dirtyRangesOf } from './dirty-ranges.ts';

interface ModelBitmap {
  readonly name: string;
  readonly granularityBytes: number;
  readonly enabled: boolean;
  /** 1 for each granule that is dirty. */
  readonly granules: Uint8Array;
}

/** One member of a union for each kind. */
type Kinds<K extends string, Rest> = K extends string ? { readonly kind: K } & Rest : never;

/** One change of a disk, which can be made on several. */
export type BitmapWork =
  | Kinds<'write' | 'zero' | 'discard', { readonly offset: number; readonly length: number }>
  | Kinds<'flush', unknown>
  | Kinds<'resize', { readonly sizeBytes: number }>
  | Kinds<
      'create',
      { readonly name: string; readonly granularityBytes: number; readonly enabled: boolean }
    >
  | Kinds<'remove' | 'enable' | 'disable' | 'clear', { readonly name: string }>
  | Kinds<'merge', { readonly name: string; readonly sources: readonly string[] }>;

/** Makes the change on a disk. */
export function perform(disk: DiskFile, work: BitmapWork): void {
  const bitmaps = disk.capabilities.bitmaps!;
  if (work.kind === 'write') disk.writeSync(contentOf(3, work.length), work.offset);
  else if (work.kind === 'zero') disk.writeZeroesSync(work.offset, work.length);
  else if (work.kind === 'discard') disk.discardSync(work.offset, work.length);
  else if (work.kind === 'flush') disk.flushSync();
  else if (work.kind === 'resize') {
    disk.capabilities.resizing!.resizeSync(work.sizeBytes, { shrink: true });
  } else if (work.kind === 'create') {
    const { granularityBytes, enabled } = work;
    bitmaps.createSync(work.name, { granularityBytes, enabled });
  } else if (work.kind === 'remove') bitmaps.removeSync(work.name);
  else if (work.kind === 'enable') bitmaps.enableSync(work.name);
  else if (work.kind === 'disable') bitmaps.disableSync(work.name);
  else if (work.kind === 'clear') bitmaps.clearSync(work.name);
  else bitmaps.mergeSync(work.name, work.sources);
}

export class BitmapModel {
  readonly sizeBytes: number;
  readonly bitmaps: readonly ModelBitmap[];

  constructor(sizeBytes: number, bitmaps: readonly ModelBitmap[] = []) {
    this.sizeBytes = sizeBytes;
    this.bitmaps = bitmaps;
  }

  /** What is there after a change. */
  after(work: BitmapWork): BitmapModel {
    const { sizeBytes, bitmaps } = this;
    if (work.kind === 'flush') return this;
    if (work.kind === 'write' || work.kind === 'zero' || work.kind === 'discard') {
      const mark = (each: ModelBitmap) =>
        each.enabled
          ? marked(each, [{ guestOffset: work.offset, lengthBytes: work.length }])
          : each;
      return new BitmapModel(sizeBytes, bitmaps.map(mark));
    }
    if (work.kind === 'resize') {
      return new BitmapModel(
        work.sizeBytes,
        bitmaps.map((each) => resized(each, work.sizeBytes)),
      );
    }
    if (work.kind === 'create') {
      const { name, granularityBytes, enabled } = work;
      const granules = new Uint8Array(Math.ceil(sizeBytes / granularityBytes));
      return new BitmapModel(sizeBytes, [
        ...bitmaps,
        { name, granularityBytes, enabled, granules },
      ]);
    }
    const others = bitmaps.filter(({ name }) => name !== work.name);
    if (work.kind === 'remove') return new BitmapModel(sizeBytes, others);
    const changed = (each: ModelBitmap) =>
      each.name === work.name ? this.#changed(each, work) : each;
    return new BitmapModel(sizeBytes, bitmaps.map(changed));
  }

  #changed(bitmap: ModelBitmap, work: BitmapWork): ModelBitmap {
    if (work.kind === 'enable') return { ...bitmap, enabled: true };
    if (work.kind === 'disable') return { ...bitmap, enabled: false };
    if (work.kind === 'clear') {
      return { ...bitmap, granules: new Uint8Array(bitmap.granules.length) };
    }
    if (work.kind !== 'merge') throw new Error(`no change of one bitmap: ${work.kind}`);
    return work.sources.reduce((sum, source) => marked(sum, this.rangesOf(source)), bitmap);
  }

  find(name: string): ModelBitmap | undefined {
    return this.bitmaps.find((each) => each.name === name);
  }

  /** The dirty ranges of a bitmap, each as long as it goes. */
  rangesOf(name: string): DirtyGuestRange[] {
    const { granules, granularityBytes } = this.find(name)!;
    const ranges: DirtyGuestRange[] = [];
    for (let at = 0; at < granules.length; at++) {
      if (granules[at] === 0) continue;
      const start = at;
      while (granules[at] === 1) at += 1;
      const guestOffset = start * granularityBytes;
      const end = Math.min(at * granularityBytes, this.sizeBytes);
      ranges.push({ guestOffset, lengthBytes: end - guestOffset });
    }
    return ranges;
  }

  /** What a disk says of a bitmap that is not in use, in the words of {@link expected}. */
  static found(disk: DiskFile): unknown {
    return disk.capabilities.bitmaps!.list().map(({ name, granularityBytes, flags }) => ({
      name,
      granularityBytes,
      flags,
      ranges: dirtyRangesOf(disk, name),
    }));
  }

  expected(): unknown {
    return this.bitmaps.map(({ name, granularityBytes, enabled }) => ({
      name,
      granularityBytes,
      flags: enabled ? ['auto'] : [],
      ranges: this.rangesOf(name),
    }));
  }

  /** A random change; those of bitmaps come as often as all others together. */
  randomWork(random: () => number): BitmapWork {
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const kind = random();
    if (kind < 0.45) return this.#randomWrite(random);
    if (kind < 0.5) return { kind: 'flush' };
    if (kind < 0.56) {
      // A stored bitmap of 512-byte clusters and granules gets longer every 2 MiB.
      const most = random() < 0.6 ? 800 : 12_000;
      return { kind: 'resize', sizeBytes: (1 + Math.floor(random() * most)) * 512 };
    }
    const names = this.bitmaps.map(({ name }) => name);
    if (names.length === 0 || (kind < 0.66 && names.length < 6)) {
      const free = ['a', 'b', 'c', 'd', 'e', 'f', 'ü'.repeat(300)].filter(
        (name) => !names.includes(name),
      );
      const granularityBytes = pick([512, 1024, 4096, 65_536, 4 * 1024 * 1024]);
      return { kind: 'create', name: pick(free), granularityBytes, enabled: random() < 0.6 };
    }
    const name = pick(names);
    if (kind < 0.88) {
      const change = pick(['remove', 'enable', 'disable', 'disable', 'clear'] as const);
      return { kind: change, name };
    }
    return { kind: 'merge', name, sources: names.filter(() => random() < 0.5) };
  }

  #randomWrite(random: () => number): BitmapWork {
    const offset = Math.floor(random() * this.sizeBytes);
    const wanted = 1 + Math.floor(random() * (random() < 0.7 ? 3000 : 200_000));
    const length = Math.min(wanted, this.sizeBytes - offset);
    const kind = random();
    return { kind: kind < 0.7 ? 'write' : kind < 0.85 ? 'zero' : 'discard', offset, length };
  }
}

function marked(bitmap: ModelBitmap, ranges: readonly DirtyGuestRange[]): ModelBitmap {
  const granules = bitmap.granules.slice();
  for (const { guestOffset, lengthBytes } of ranges) {
    const first = Math.floor(guestOffset / bitmap.granularityBytes);
    const end = Math.ceil((guestOffset + lengthBytes) / bitmap.granularityBytes);
    granules.fill(1, first, end);
  }
  return { ...bitmap, granules };
}

function resized(bitmap: ModelBitmap, sizeBytes: number): ModelBitmap {
  const granules = new Uint8Array(Math.ceil(sizeBytes / bitmap.granularityBytes));
  granules.set(bitmap.granules.subarray(0, granules.length));
  return { ...bitmap, granules };
}
