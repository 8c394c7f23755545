/** Writes journals as jbd2 would, after the kernel's documentation, for tests of the replay. */
import { crc32BigEndianRaw, crc32cRaw, writeU16be, writeU32be } from '@diskfile/bytes';
import type { BlockMap } from '../../src/blocks/block-map.ts';
import type { JournalSuperblock } from '../../src/journal/superblock.ts';
import { BLOCK_BYTES, blockOf } from './builders.ts';

const MAGIC = 0xc03b3998;
const DESCRIPTOR = 1;
const COMMIT = 2;
const REVOKE = 5;

export type LogChecksum = JournalSuperblock['checksum'];

export interface Transaction {
  /** Block number and the content that it gets. */
  readonly writes: readonly (readonly [number, Uint8Array])[];
  readonly revokes: readonly number[];
}

export interface LogShape {
  readonly checksum: LogChecksum;
  readonly is64: boolean;
  /** Blocks of the log, its superblock's place included. */
  readonly logBlocks: number;
  /** Where the log begins, and with which transaction. */
  readonly startBlock: number;
  readonly sequence: number;
  /** Whether tags repeat the UUID. */
  readonly withUuids: boolean;
}

export class LogBuilder {
  readonly journal: JournalSuperblock;
  /** Filesystem block of the log's block 0; the log is in one piece. */
  readonly base: number;
  readonly #disk: Uint8Array;
  readonly #shape: LogShape;
  #position: number;
  #sequence: number;
  /** Blocks of the log that are used. */
  used = 0;

  constructor(disk: Uint8Array, base: number, shape: LogShape) {
    this.#disk = disk;
    this.base = base;
    this.#shape = shape;
    this.#position = shape.startBlock;
    this.#sequence = shape.sequence;
    this.journal = {
      firstBlock: 1,
      logEnd: shape.logBlocks,
      fastCommitStart: shape.logBlocks + 1,
      fastCommitEnd: shape.logBlocks,
      startBlock: shape.startBlock,
      sequence: shape.sequence,
      errorNumber: 0,
      checksum: shape.checksum,
      checksumSeed: 0x1234_5678,
      is64: shape.is64,
      hasFastCommits: false,
      featureNames: [],
    };
  }

  /** The map of the journal's file. */
  get map(): BlockMap {
    const { base } = this;
    return {
      blockLimit: 2 ** 32,
      find(fileBlock, maxBlocks, run) {
        run.setMapped('data', base + fileBlock, maxBlocks);
        return true;
      },
      *load() {},
    };
  }

  /** Writes a whole transaction and returns where its commit block is. */
  append({ writes, revokes }: Transaction): Uint8Array {
    const v1: Uint8Array[] = [];
    if (revokes.length > 0) this.#revokeBlock(revokes);
    for (let first = 0; first < writes.length; first += this.#tagsPerBlock()) {
      this.#descriptor(writes.slice(first, first + this.#tagsPerBlock()), v1);
    }
    const commit = this.#take(COMMIT);
    if (this.#shape.checksum === 'v1') {
      commit[0xc] = 1;
      commit[0xd] = 4;
      writeU32be(
        commit,
        0x10,
        v1.reduce((sum, b) => crc32BigEndianRaw(b, sum), 0xffff_ffff),
      );
    } else if (this.#hasTails()) {
      writeU32be(commit, 0x10, crc32cRaw(commit, this.journal.checksumSeed));
    }
    this.#sequence = (this.#sequence + 1) % 2 ** 32;
    return commit;
  }

  #hasTails(): boolean {
    return this.#shape.checksum === 'v2' || this.#shape.checksum === 'v3';
  }

  #tagBytes(): number {
    if (this.#shape.checksum === 'v3') return 16;
    return (this.#shape.is64 ? 12 : 8) + (this.#shape.checksum === 'v2' ? 2 : 0);
  }

  #tagsPerBlock(): number {
    const uuid = this.#shape.withUuids ? 16 : 0;
    return Math.floor((BLOCK_BYTES - 12 - 16 - 4) / (this.#tagBytes() + uuid));
  }

  #take(type?: number): Uint8Array {
    const block = blockOf(this.#disk, this.base + this.#position);
    block.fill(0);
    if (type !== undefined) {
      writeU32be(block, 0, MAGIC);
      writeU32be(block, 4, type);
      writeU32be(block, 8, this.#sequence);
    }
    this.used += 1;
    this.#position += 1;
    if (this.#position === this.#shape.logBlocks) this.#position = 1;
    return block;
  }

  #descriptor(writes: Transaction['writes'], v1: Uint8Array[]): void {
    const descriptor = this.#take(DESCRIPTOR);
    v1.push(descriptor);
    const sequence = new Uint8Array(4);
    writeU32be(sequence, 0, this.#sequence);
    let at = 12;
    writes.forEach(([block, content], index) => {
      const copy = this.#take();
      copy.set(content);
      const escaped = new DataView(content.buffer, content.byteOffset).getUint32(0) === MAGIC;
      if (escaped) copy.fill(0, 0, 4);
      v1.push(copy);
      const sum = crc32cRaw(copy, crc32cRaw(sequence, this.journal.checksumSeed));
      const sameUuid = index > 0 && !this.#shape.withUuids;
      const last = index === writes.length - 1;
      const flags = (escaped ? 1 : 0) + (sameUuid ? 2 : 0) + (last ? 8 : 0);
      this.#tag(descriptor, at, block, flags, sum);
      at += this.#tagBytes() + (sameUuid ? 0 : 16);
    });
    this.#seal(descriptor);
  }

  #tag(descriptor: Uint8Array, at: number, block: number, flags: number, sum: number): void {
    writeU32be(descriptor, at, block % 2 ** 32);
    if (this.#shape.checksum === 'v3') {
      writeU32be(descriptor, at + 4, flags);
      writeU32be(descriptor, at + 12, sum);
    } else {
      if (this.#shape.checksum === 'v2') writeU16be(descriptor, at + 4, sum % 2 ** 16);
      writeU16be(descriptor, at + 6, flags);
    }
    if (this.#shape.is64) writeU32be(descriptor, at + 8, Math.floor(block / 2 ** 32));
  }

  #revokeBlock(blocks: readonly number[]): void {
    const revoke = this.#take(REVOKE);
    const size = this.#shape.is64 ? 8 : 4;
    writeU32be(revoke, 12, 16 + blocks.length * size);
    blocks.forEach((block, index) => writeU32be(revoke, 16 + (index + 1) * size - 4, block));
    this.#seal(revoke);
  }

  #seal(block: Uint8Array): void {
    if (!this.#hasTails()) return;
    writeU32be(block, BLOCK_BYTES - 4, crc32cRaw(block, this.journal.checksumSeed));
  }
}
