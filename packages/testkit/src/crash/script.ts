/**
 * Operations written down as text, `write 3 5; flush; zero 2 4`: a verb and what it needs, mostly
 * first sector and number of sectors.
 */
import type { Operation } from '../model/operation.ts';
import { Amend } from '../model/operations/amend.ts';
import { Batch } from '../model/operations/batch.ts';
import { ChangeBitmap, CreateBitmap, MergeBitmaps } from '../model/operations/bitmaps.ts';
import { WriteCompressed } from '../model/operations/write-compressed.ts';
import { Discard } from '../model/operations/discard.ts';
import { DropContent } from '../model/operations/drop-content.ts';
import { Flush } from '../model/operations/flush.ts';
import { CloneHandle, Reopen } from '../model/operations/handles.ts';
import { Resize } from '../model/operations/resize.ts';
import { ApplySnapshot, CreateSnapshot, DeleteSnapshot } from '../model/operations/snapshots.ts';
import { Write } from '../model/operations/write.ts';
import { WriteZeroes } from '../model/operations/write-zeroes.ts';
import type { Place } from '../model/place.ts';

const VERBS: Readonly<Record<string, (...args: readonly string[]) => Operation>> = {
  write: (start, length, handle = '0') => writeTo(place('sector', start, length), handle),
  'write-bytes': (start, length) => writeTo(place('byte', start, length), '0'),
  zero: (start, length) => new WriteZeroes(place('sector', start, length), true),
  'zero-keep': (start, length) => new WriteZeroes(place('sector', start, length), false),
  discard: (start, length) => new Discard(place('sector', start, length)),
  flush: (handle = '0') => new Flush(Number(handle)),
  clone: () => new CloneHandle(0),
  reopen: () => new Reopen(),
  snapshot: (name = '') => new CreateSnapshot(name),
  apply: (number) => new ApplySnapshot(Number(number)),
  delete: (number) => new DeleteSnapshot(Number(number)),
  bitmap: (name = '', granularity = '512') => new CreateBitmap(name, Number(granularity), true),
  'bitmap-off': (name = '') => new CreateBitmap(name, 512, false),
  remove: (number) => new ChangeBitmap('remove', Number(number)),
  enable: (number) => new ChangeBitmap('enable', Number(number)),
  disable: (number) => new ChangeBitmap('disable', Number(number)),
  clear: (number) => new ChangeBitmap('clear', Number(number)),
  merge: (target, source) => new MergeBitmaps(Number(target), Number(source)),
  compress: (start, length) => new WriteCompressed(Number(start), Number(length), Number(start)),
  amend: (option = '', value = '') => new Amend({ [option]: value }),
  drop: () => new DropContent(),
  resize: (sectors) => Resize.to(Number(sectors)),
};

function place(unit: Place['unit'], start = '', length = ''): Place {
  const numbers = { start: Number(start), length: Number(length) };
  if (start === '' || !(numbers.length > 0)) throw new Error(`no place: ${start} ${length}`);
  return { unit, ...numbers };
}

function writeTo(where: Place, handle: string): Operation {
  return new Write({ place: where, seed: where.start + where.length, handle: Number(handle) });
}

/** @throws Error for text that means nothing */
export function script(text: string): Operation[] {
  return text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const [verb = '', ...args] = part.split(/\s+/);
      const make = VERBS[verb];
      if (make === undefined) throw new Error(`There is no operation ${verb}`);
      return make(...args);
    });
}

/** The operations of a script as one batch. */
export function batch(text: string): Operation {
  return new Batch(script(text), 0);
}
