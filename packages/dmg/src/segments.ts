/**
 * Images that are split over several files: `image.dmg`, `image.002.dmgpart` and so on. Each ends in
 * a trailer of its own, and their data forks make one behind the other the one of the whole.
 */
import { DiskError } from '@diskfile/bytes';
import {
  joinedStorage,
  type Limits,
  type NamedFile,
  quote,
  type Step,
  type Storage,
} from '@diskfile/core';
import { corrupt } from './refusals.ts';
import type { Trailer } from './trailer.ts';

/** Their numbers have three digits. */
const MAX_SEGMENTS = 999;
const FIRST_NAME = /^(.*)\.dmg$/is;

/** One file of an image. */
export interface Segment {
  readonly storage: Storage;
  readonly trailer: Trailer;
}

export interface SegmentSource {
  readonly limits: Limits;
  openNamed(file: NamedFile): Step<Storage>;
  readTrailer(storage: Storage): Step<Trailer>;
}

/** @throws DiskError `invalid-argument` unless `first` is the first one */
export function* openSegments(first: Segment, source: SegmentSource): Step<Segment[]> {
  const { number, count, id } = first.trailer.segment;
  const { name } = first.storage;
  if (count <= 1) return [first];
  if (number > 1) {
    const message = `${name} is segment ${number} of ${count}`;
    throw new DiskError('invalid-argument', 'dmg.not-first', message, {
      hint: 'Open the first one, .dmg: the others are found by its name.',
    });
  }
  if (count > MAX_SEGMENTS) throw corrupt('dmg.segment-count', `The image has ${count} segments`);
  const segments = [first];
  let reached = first.trailer.dataFork.lengthBytes;
  for (let index = 2; index <= count; index++) {
    const filename = segmentName(name, index);
    const file = { role: 'extent', filename, offset: 0, lengthBytes: undefined } as const;
    const storage = yield* source.openNamed(file);
    const trailer = yield* source.readTrailer(storage);
    const { segment, dataFork } = trailer;
    if (segment.number !== index || segment.count !== count || segment.id !== id) {
      throw corrupt('dmg.segment', `${filename} is not segment ${index} of ${quote(name)}`);
    }
    const isWithin = dataFork.offset + dataFork.lengthBytes <= storage.sizeBytes;
    if (segment.startBytes !== reached || !isWithin) {
      throw corrupt('dmg.segment-fork', `The data of ${filename} is not where it should be`);
    }
    reached += dataFork.lengthBytes;
    segments.push({ storage, trailer });
  }
  return segments;
}

function segmentName(firstName: string, index: number): string {
  const ownName = firstName.split(/[/\\]/).at(-1)!;
  const [, stem] = FIRST_NAME.exec(ownName) ?? [];
  if (stem !== undefined) return `${stem}.${String(index).padStart(3, '0')}.dmgpart`;
  throw new DiskError(
    'not-found',
    'dmg.segment-name',
    `The image goes on in segment ${index}, and ${quote(ownName)} does not tell its name`,
    { hint: 'Give the files the names of a set: .dmg, .002.dmgpart and so on.' },
  );
}

/** The data forks of all segments as one storage. */
export function joinedForks(segments: readonly Segment[], limits: Limits): Storage {
  const forks = segments.map(({ storage, trailer }) => ({ storage, ...trailer.dataFork }));
  return joinedStorage(forks, limits);
}
