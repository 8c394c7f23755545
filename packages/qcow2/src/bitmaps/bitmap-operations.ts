/** What callers do with bitmaps. Each change is in the file, all of it or nothing, on return. */
import {
  type BitmapWriter,
  type DirtyGuestRange,
  type NewBitmap,
  quote,
  type Step,
} from '@diskfile/core';
import { FLAG, withFlag } from './bitmap-entry.ts';
import type { DirtyBits } from './dirty-bits.ts';
import { type LiveBitmap, withTable } from './live-bitmap.ts';
import type { LiveBitmaps } from './live-bitmaps.ts';
import { newEntry } from './new-bitmap.ts';
import { bitmapTooLarge, refuse } from './refusals.ts';

export class BitmapOperations implements BitmapWriter {
  readonly #bitmaps: LiveBitmaps;

  constructor(bitmaps: LiveBitmaps) {
    this.#bitmaps = bitmaps;
  }

  markWritten(guestOffset: number, lengthBytes: number): void {
    this.#bitmaps.mark(guestOffset, lengthBytes);
  }

  *create(bitmap: NewBitmap): Step<void> {
    const bitmaps = this.#bitmaps;
    const { all, store } = bitmaps;
    const entry = newEntry(bitmap, bitmaps.metadata.header);
    if (all.some((each) => each.entry.name === entry.name)) throw nameTaken(entry.name);
    const bits = bitmaps.newBits(entry);
    const added = {
      entry,
      bits: bitmap.enabled ? bits : undefined,
      unusable: undefined,
    };
    yield* withBits(bits, bitmap.enabled, () =>
      bitmaps.change(function* (clusters) {
        const next: LiveBitmap[] = [];
        for (const each of all) next.push(yield* bitmaps.kept(each, clusters));
        next.push(withTable(added, yield* store.writeContent(bits, clusters)));
        return next;
      }),
    );
  }

  /** The one change that a bitmap allows which is not usable. */
  *remove(name: string): Step<void> {
    yield* this.#bitmaps.takeOut(this.#bitmaps.find(name));
  }

  *enable(name: string): Step<void> {
    const bitmap = this.#bitmaps.findUsable(name);
    if (bitmap.bits !== undefined) return;
    const bits = yield* this.#bitmaps.readBits(bitmap);
    const entry = withFlag(bitmap.entry, FLAG.auto, true);
    yield* withBits(bits, true, () =>
      this.#bitmaps.changeOne(bitmap, function* () {
        return { ...bitmap, entry, bits };
      }),
    );
  }

  *disable(name: string): Step<void> {
    const { store } = this.#bitmaps;
    const bitmap = this.#bitmaps.findUsable(name);
    if (bitmap.bits === undefined) return;
    const entry = withFlag(bitmap.entry, FLAG.auto, false);
    yield* this.#bitmaps.changeOne(bitmap, (clusters) =>
      store.settled({ ...bitmap, entry }, clusters),
    );
  }

  *clear(name: string): Step<void> {
    const bitmap = this.#bitmaps.findUsable(name);
    // The file holds nothing that counts of a bitmap in which writes are recorded.
    if (bitmap.bits !== undefined) return bitmap.bits.clear();
    const bits = this.#bitmaps.newBits(bitmap.entry);
    yield* withBits(bits, false, () => this.#rewrite(bitmap, bits));
  }

  *merge(target: string, sources: readonly string[]): Step<void> {
    const bitmaps = this.#bitmaps;
    const into = bitmaps.findUsable(target);
    const from = sources.map((name) => bitmaps.findUsable(name));
    const added =
      into.bits === undefined ? yield* bitmaps.readBits(into) : bitmaps.newBits(into.entry);
    yield* withBits(added, false, () => this.#mergeThrough(added, into, from));
  }

  *mark(name: string, ranges: Iterable<DirtyGuestRange>): Step<void> {
    const bitmaps = this.#bitmaps;
    const into = bitmaps.findUsable(name);
    const added =
      into.bits === undefined ? yield* bitmaps.readBits(into) : bitmaps.newBits(into.entry);
    for (const { guestOffset, lengthBytes } of ranges) added.mark(guestOffset, lengthBytes);
    yield* withBits(added, false, () => this.#mergeThrough(added, into, []));
  }

  /** @param added of the target's granularity; collects everything before any of it is used */
  *#mergeThrough(added: DirtyBits, into: LiveBitmap, from: readonly LiveBitmap[]): Step<void> {
    for (const source of from) {
      if (source.bits !== undefined) added.add(source.bits);
      else {
        const bits = yield* this.#bitmaps.readBits(source);
        added.add(bits);
        bits.dispose();
      }
    }
    if (added.isCoarse) throw bitmapTooLarge(into.entry.name);
    if (into.bits !== undefined) into.bits.add(added);
    else yield* this.#rewrite(into, added);
  }

  /** Lets a bitmap that is in the file alone hold something else. */
  *#rewrite(bitmap: LiveBitmap, bits: DirtyBits): Step<void> {
    const { store } = this.#bitmaps;
    yield* this.#bitmaps.changeOne(bitmap, function* (clusters) {
      return withTable(bitmap, yield* store.writeContent(bits, clusters));
    });
  }
}

/** Runs a body; disposes of the bits after it, unless it succeeds and they are to be kept. */
function* withBits(bits: DirtyBits, keep: boolean, body: () => Step<void>): Step<void> {
  let kept = false;
  try {
    yield* body();
    kept = keep;
  } finally {
    if (!kept) bits.dispose();
  }
}

function nameTaken(name: string): Error {
  return refuse(
    'invalid-argument',
    'qcow2.bitmap-exists',
    `The image already has a bitmap ${quote(name)}`,
    'Choose another name, or remove the bitmap first.',
  );
}
