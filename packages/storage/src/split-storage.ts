/**
 * One disk cut into numbered files as one storage: `disk.000`, `disk.001`, … or from `.001` on,
 * `disk.part01` …, and those of the program split, `disk.aa`, `disk.ab` ….
 */
import { readdir } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { countUpTo, DiskError } from '@diskfile/bytes';
import { closeStorage, hostCall, type HostRange, type Step, type Storage } from '@diskfile/core';
import type { ImageLocking } from './image-lock.ts';
import { openFileStorage } from './open-file.ts';
import { hostError } from './host-error.ts';
import { nodeHostFiles } from './host-files.ts';
import { numberOf, parseFirstPart, type PartNames, partPath } from './split-names.ts';

/** Each part holds a file descriptor, and hosts commonly grant 1024 of those. */
const MAX_PARTS = 1000;
/**
 * Whether `path` is the first of a split set: its name ends in `.000`, or in `.001` with no `.000`
 * beside it, and the part that follows is there. Longer numbers (`.0001`) count as well, and so do
 * `.part1`, `.part01` and their like, and the letters of split (`.aa`, `xaa`).
 */
export function* isSplitSetStart(path: string): Step<boolean> {
  const names = parseFirstPart(path);
  if (names === undefined) return false;
  if (names.first === 1 && (yield* isRegularFile(partPath(names, 0)))) return false;
  return yield* isRegularFile(partPath(names, names.first + 1));
}

function* isRegularFile(path: string): Step<boolean> {
  try {
    return (yield* nodeHostFiles.status(path)).kind === 'regular file';
  } catch (error) {
    if (error instanceof DiskError) return false;
    throw error;
  }
}

/**
 * Opens a split set by its first part. A set that lacks a part between two others is refused.
 * @throws DiskError `invalid-argument` when the name is none of a first part, `not-found` for a gap.
 */
export function* openSplitStorage(
  firstPath: string,
  options: { readonly locking?: ImageLocking } = {},
): Step<Storage> {
  const names = parseFirstPart(firstPath);
  if (names === undefined) {
    throw new DiskError(
      'invalid-argument',
      'storage.split-name',
      `${firstPath} is not named like the first part of a split set`,
      {
        op: 'open',
        path: firstPath,
        hint: 'Give the first part, whose name ends in .000, .001, .part01 or .aa.',
      },
    );
  }
  const paths = yield* findParts(names);
  const parts: Storage[] = [];
  try {
    for (const path of paths) {
      parts.push(yield* openFileStorage(path, { ...options, kinds: ['regular file'] }));
    }
    return new SplitStorage(parts);
  } catch (error) {
    for (const part of parts) yield* closeStorage(part);
    throw error;
  }
}

/** Paths of all parts, in order and without a gap. */
function* findParts(names: PartNames): Step<string[]> {
  const firstPath = partPath(names, names.first);
  const numbers = yield* listNumbers(names, firstPath);
  const paths = [firstPath];
  let missing: number | undefined;
  for (let number = names.first + 1; number <= (numbers.at(-1) ?? 0); number++) {
    if (paths.length === MAX_PARTS) throw tooManyParts(firstPath);
    if (numbers[paths.length] !== number) {
      missing = number;
      break;
    }
    paths.push(partPath(names, number));
  }
  if (missing === undefined) return paths;
  throw new DiskError(
    'not-found',
    'storage.split-gap',
    `Part ${partPath(names, missing)} of a split disk is missing, yet later parts are there`,
    {
      op: 'open',
      path: firstPath,
      layer: 'storage',
      hint: 'Put the missing part back beside the others.',
    },
  );
}

/** The numbers of the parts that exist, from the first on, ascending. */
function* listNumbers(names: PartNames, path: string): Step<number[]> {
  const directory = dirname(path);
  const prefix = basename(`${names.stem}0`).slice(0, -1);
  let entries: string[];
  try {
    entries = yield* hostCall(
      () => readdirSync(directory),
      () => readdir(directory),
    );
  } catch (cause) {
    throw hostError(cause, 'open', directory);
  }
  return entries
    .filter((entry) => entry.startsWith(prefix))
    .map((entry) => numberOf(entry.slice(prefix.length), names) ?? -1)
    .filter((number) => number >= names.first)
    .toSorted((a, b) => a - b);
}

function tooManyParts(path: string): DiskError {
  return new DiskError(
    'limit',
    'storage.split-parts',
    `The split disk has more than ${MAX_PARTS} parts`,
    { op: 'open', path, layer: 'storage', hint: 'Join the parts into larger files.' },
  );
}

export class SplitStorage implements Storage {
  readonly name: string;
  readonly sizeBytes: number;
  readonly synchronous: boolean;
  readonly identity: string | undefined;
  readonly requestAlignment = 1;
  readonly parts: readonly Storage[];
  /** Where each part begins within the whole. */
  readonly #starts: readonly number[];

  constructor(parts: readonly Storage[]) {
    const [first] = parts as [Storage];
    let sizeBytes = 0;
    const starts = parts.map((part) => {
      const start = sizeBytes;
      sizeBytes += part.sizeBytes;
      return start;
    });
    this.parts = parts;
    this.#starts = starts;
    this.name = first.name;
    this.sizeBytes = sizeBytes;
    this.identity = first.identity;
    this.synchronous = parts.every((part) => part.synchronous);
  }

  allocatedBytes(): number {
    return this.parts.reduce((sum, part) => sum + part.allocatedBytes(), 0);
  }

  hostRangeSync(offset: number, lengthBytes: number): HostRange {
    if (offset >= this.sizeBytes) return { data: false, lengthBytes };
    const index = this.#partIndex(offset);
    const part = this.parts[index]!;
    const within = Math.min(lengthBytes, this.#partEnd(index) - offset);
    const range = part.hostRangeSync?.(offset - this.#starts[index]!, within);
    return range ?? { data: true, lengthBytes: within };
  }

  readSync(dst: Uint8Array, offset: number): void {
    for (const { part, bytes, partOffset } of this.#pieces(dst, offset)) {
      part.readSync(bytes, partOffset);
    }
  }

  async read(dst: Uint8Array, offset: number): Promise<void> {
    for (const { part, bytes, partOffset } of this.#pieces(dst, offset)) {
      await part.read(bytes, partOffset);
    }
  }

  readvSync(buffers: readonly Uint8Array[], offset: number): void {
    const home = this.#partOfAll(buffers, offset);
    if (home !== undefined) {
      home.part.readvSync(buffers, home.partOffset);
      return;
    }
    let at = offset;
    for (const buffer of buffers) {
      this.readSync(buffer, at);
      at += buffer.length;
    }
  }

  async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    const home = this.#partOfAll(buffers, offset);
    if (home !== undefined) return await home.part.readv(buffers, home.partOffset);
    let at = offset;
    for (const buffer of buffers) {
      await this.read(buffer, at);
      at += buffer.length;
    }
  }

  /** The last part that begins at or before `offset`. */
  #partIndex(offset: number): number {
    return countUpTo(this.#starts, offset) - 1;
  }

  #partEnd(index: number): number {
    return this.#starts[index]! + this.parts[index]!.sizeBytes;
  }

  /** The one part that holds all of a vectored read, if it is one. */
  #partOfAll(
    buffers: readonly Uint8Array[],
    offset: number,
  ): { part: Storage; partOffset: number } | undefined {
    let end = offset;
    for (const buffer of buffers) end += buffer.length;
    const index = this.#partIndex(offset);
    if (end > this.#partEnd(index)) return undefined;
    return { part: this.parts[index]!, partOffset: offset - this.#starts[index]! };
  }

  *#pieces(
    dst: Uint8Array,
    offset: number,
  ): Generator<{ part: Storage; bytes: Uint8Array; partOffset: number }> {
    let done = 0;
    for (let index = this.#partIndex(offset); done < dst.length; index++) {
      if (index === this.parts.length) {
        dst.fill(0, done);
        return;
      }
      const end = Math.min(dst.length, Math.max(done, this.#partEnd(index) - offset));
      if (end === done) continue;
      yield {
        part: this.parts[index]!,
        bytes: dst.subarray(done, end),
        partOffset: offset + done - this.#starts[index]!,
      };
      done = end;
    }
  }

  closeSync(): void {
    for (const part of this.parts) part.closeSync();
  }

  async close(): Promise<void> {
    await Promise.all(this.parts.map((part) => part.close()));
  }
}
