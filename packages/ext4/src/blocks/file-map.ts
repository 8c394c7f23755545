/** A file's bytes as extents of the disk: what the engine reads by. */
import { writeU32be } from '@diskfile/bytes';
import { type Extent, type ExtentMap, MemoryStorage, type Step } from '@diskfile/core';
import { type BlockMap, BlockRun } from './block-map.ts';
import { type BlockReader, JBD2_MAGIC } from './block-reader.ts';

/** The bytes that the log replaced by zeros at the start of an escaped block. */
const ESCAPED_START = (() => {
  const bytes = new Uint8Array(4);
  writeU32be(bytes, 0, JBD2_MAGIC);
  return new MemoryStorage(bytes, 'journal escape');
})();

export class FileMap implements ExtentMap {
  readonly sizeBytes: number;
  readonly #map: BlockMap;
  readonly #reader: BlockReader;
  readonly #run = new BlockRun();

  constructor(map: BlockMap, sizeBytes: number, reader: BlockReader) {
    this.#map = map;
    this.sizeBytes = sizeBytes;
    this.#reader = reader;
  }

  lookup(offset: number, lengthBytes: number, extent: Extent): boolean {
    const { blockBytes, overlay, storage } = this.#reader;
    const run = this.#run;
    const fileBlock = Math.floor(offset / blockBytes);
    const skip = offset - fileBlock * blockBytes;
    const wanted = Math.ceil((skip + lengthBytes) / blockBytes);
    if (!this.#map.find(fileBlock, wanted, run)) return false;
    if (run.kind !== 'data') {
      extent.setZero(Math.min(lengthBytes, run.blockCount * blockBytes - skip));
      return true;
    }
    let blocks = run.blockCount;
    if (overlay.size > 0) {
      const index = overlay.indexFrom(run.physicalBlock);
      const untilOverlaid = overlay.blockAt(index) - run.physicalBlock;
      if (untilOverlaid === 0) {
        this.#fillOverlaid(index, skip, lengthBytes, extent);
        return true;
      }
      blocks = Math.min(blocks, untilOverlaid);
    }
    const there = blocks * blockBytes - skip;
    const hostOffset = run.physicalBlock * blockBytes + skip;
    extent.setData(storage, hostOffset, Math.min(lengthBytes, there));
    return true;
  }

  *load(offset: number): Step<void> {
    yield* this.#map.load(Math.floor(offset / this.#reader.blockBytes));
  }

  /** An extent in the log, where the newest copy of a block is. */
  #fillOverlaid(index: number, skip: number, lengthBytes: number, extent: Extent): void {
    const { blockBytes, overlay, storage } = this.#reader;
    const escapedBytes = ESCAPED_START.sizeBytes;
    if (overlay.isEscapedAt(index) && skip < escapedBytes) {
      extent.setData(ESCAPED_START, skip, Math.min(lengthBytes, escapedBytes - skip));
      return;
    }
    const hostOffset = overlay.logBlockAt(index) * blockBytes + skip;
    extent.setData(storage, hostOffset, Math.min(lengthBytes, blockBytes - skip));
  }
}

/** A file whose bytes are held in metadata, and after those zeros. */
export class MemoryMap implements ExtentMap {
  readonly sizeBytes: number;
  readonly #storage: MemoryStorage;

  constructor(bytes: Uint8Array, sizeBytes: number, name: string) {
    this.sizeBytes = sizeBytes;
    this.#storage = new MemoryStorage(bytes, name);
  }

  lookup(offset: number, lengthBytes: number, extent: Extent): boolean {
    const there = this.#storage.sizeBytes - offset;
    if (there > 0) extent.setData(this.#storage, offset, Math.min(lengthBytes, there));
    else extent.setZero(lengthBytes);
    return true;
  }

  *load(): Step<void> {}
}
