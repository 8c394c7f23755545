/**
 * The content of an LZ4 file. How long blocks are unpacked stands nowhere, so opening goes through
 * all of them once, and verifies their checksums on the way.
 */
import { type Decoder, mappedStorage, type Step } from '@diskfile/core';
import { Checkpoints } from '../checkpoints.ts';
import type { Content, PackedSource } from '../content.ts';
import { measure } from '../pass.ts';
import { streamStorage } from '../stream-storage.ts';
import { UnitMap } from '../unit-map.ts';
import { UnitTable } from '../unit-table.ts';
import { CheckedBlock, plainBlock } from './block-decoders.ts';
import { type Block, type Lz4File, Lz4Pass } from './lz4-pass.ts';

const CHECKPOINT_SHARE = 0.5;
const CHECKSUM_BYTES = 4;

export function* openLz4(source: PackedSource): Step<Content> {
  const { storage, decoders, limits } = source;
  const codec = yield* decoders.loadStream('lz4');
  const file: Lz4File = { storage, codec };
  const first = { offset: 0, hostOffset: 0 };
  const start = { offset: 0, start: () => Lz4Pass.start(file, first) };
  const checkpoints = new Checkpoints(start, limits.metadataCacheBytes * CHECKPOINT_SHARE);
  const units = new UnitTable(limits);
  const kinds = new BlockKinds();
  let isIndependent = true;
  file.checkpoints = checkpoints;
  file.onFrame = (header) => {
    isIndependent &&= header.isIndependent;
  };
  file.onBlock = (block) => {
    const { hostOffset, hostBytes, hasChecksum, contentBytes } = block;
    units.add(hostOffset, hostBytes + (hasChecksum ? CHECKSUM_BYTES : 0), contentBytes);
    if (contentBytes > 0) kinds.add(block);
  };
  const sizeBytes = yield* measure(yield* start.start(), limits);
  delete file.checkpoints;
  delete file.onFrame;
  delete file.onBlock;
  const details = { packing: 'lz4', blocks: units.count, isIndependent };
  if (!isIndependent) {
    return { storage: streamStorage(storage, checkpoints, sizeBytes, limits), details };
  }
  const map = new UnitMap(storage, units, kinds.decoders(yield* decoders.load('lz4')));
  return { storage: mappedStorage(storage, map, { limits, isDecoded: true }), details };
}

/** Which of the four kinds each block is of, a byte a block. */
class BlockKinds {
  #kinds = new Uint8Array(64);
  #count = 0;

  add({ isPlain, hasChecksum }: Block): void {
    if (this.#count === this.#kinds.length) {
      const grown = new Uint8Array(this.#count * 2);
      grown.set(this.#kinds);
      this.#kinds = grown;
    }
    this.#kinds[this.#count] = (isPlain ? 1 : 0) + (hasChecksum ? 2 : 0);
    this.#count += 1;
  }

  decoders(lz4: Decoder): (index: number) => Decoder {
    const known = [lz4, plainBlock, new CheckedBlock(lz4), new CheckedBlock(plainBlock)];
    return (index) => known[this.#kinds[index]!]!;
  }
}
