/** One image of a bundle as a layer: what it holds, and what it leaves to the images below it. */
import {
  type Extent,
  type Limits,
  lookupBlocks,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import { AllocationTable } from '../allocation-table.ts';
import { HEADER_BYTES, parseHeader } from '../header.ts';

export interface Layer {
  readonly clusterBytes: number;
  /** As `ExtentMap` has them, but for offsets within the storage's range. */
  lookup(offset: number, lengthBytes: number, extent: Extent): boolean;
  load(offset: number): Step<void>;
}

/** A plain file: the range as it stands, and zeros where the file is shorter. */
export class PlainLayer implements Layer {
  readonly clusterBytes = 1;
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  lookup(offset: number, lengthBytes: number, extent: Extent): boolean {
    const left = this.#storage.sizeBytes - offset;
    if (left <= 0) extent.setZero(lengthBytes);
    else extent.setData(this.#storage, offset, Math.min(lengthBytes, left));
    return true;
  }

  *load(): Step<void> {}
}

/** An expanding image. */
class ExpandingLayer implements Layer {
  readonly clusterBytes: number;
  readonly #table: AllocationTable;

  constructor(table: AllocationTable) {
    this.clusterBytes = table.blockBytes;
    this.#table = table;
  }

  lookup(offset: number, lengthBytes: number, extent: Extent): boolean {
    return lookupBlocks(this.#table, offset, lengthBytes, extent);
  }

  *load(offset: number): Step<void> {
    yield* this.#table.load(Math.floor(offset / this.clusterBytes));
  }
}

export function* openExpanding(storage: Storage, limits: Limits): Step<Layer> {
  const head = yield* readBytes(storage, 0, HEADER_BYTES);
  const header = parseHeader(head, storage.sizeBytes, limits);
  return new ExpandingLayer(new AllocationTable(storage, header, limits));
}
