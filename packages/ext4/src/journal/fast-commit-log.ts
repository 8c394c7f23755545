/**
 * The fast commit area: what happened after the last full commit, as a log of tag, length and value
 * ("Fast commits"). Unlike the rest of the journal it is little endian.
 */
import { crc32cRaw, readU16le, readU32le } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import {
  type FastCommitOperation,
  FAST_COMMIT_TAG as TAG,
  parseOperation,
} from './fast-commit-operation.ts';
import type { Report } from '../report.ts';
import type { JournalLog } from './log.ts';
import type { JournalSuperblock } from './superblock.ts';

/** Most that is read of the area; mke2fs makes it a 64th of the journal, 16 MiB at most. */
const MAX_AREA_BYTES = 16 * 1024 * 1024;

/** `ext4_fc_tl`: fc_tag, fc_len. */
const HEADER_BYTES = 4;

export interface FastCommitLog {
  readonly operations: readonly FastCommitOperation[];
  /** Fast commits that are complete. */
  readonly commitCount: number;
}

/**
 * Reads fast commits up to the first that is not complete, or cannot be understood.
 * @param sequence of the transaction that they belong to
 * @throws DiskError `limit` when they go on beyond what is read
 */
export function* readFastCommits(
  journal: JournalSuperblock,
  log: JournalLog,
  sequence: number,
  report: Report,
): Step<FastCommitLog> {
  const parser = new AreaParser(sequence);
  const end = journal.fastCommitStart + MAX_AREA_BYTES / log.blockBytes;
  for (let block = journal.fastCommitStart; block < journal.fastCommitEnd; block++) {
    if (!parser.parseBlock(yield* log.read(block))) break;
    if (block < end) continue;
    throw report.limit(
      'fast-commits-too-long',
      `The journal holds more than ${MAX_AREA_BYTES} bytes of fast commits`,
    );
  }
  return { operations: parser.operations, commitCount: parser.commitCount };
}

class AreaParser {
  readonly operations: FastCommitOperation[] = [];
  commitCount = 0;
  readonly #sequence: number;
  /** Of the fast commit whose tail has not been seen. */
  #pending: FastCommitOperation[] = [];
  #register = 0;
  #headSeen = false;

  constructor(sequence: number) {
    this.#sequence = sequence;
  }

  /** False when nothing after this block counts. */
  parseBlock(bytes: Uint8Array): boolean {
    let at = 0;
    while (at + HEADER_BYTES <= bytes.length) {
      const tag = readU16le(bytes, at);
      const end = at + HEADER_BYTES + readU16le(bytes, at + 2);
      if (end > bytes.length) return false;
      const value = bytes.subarray(at + HEADER_BYTES, end);
      if (tag === TAG.TAIL) {
        if (!this.#tail(bytes.subarray(at, end), value)) return false;
      } else {
        if (!this.#take(tag, value)) return false;
        this.#register = crc32cRaw(bytes.subarray(at, end), this.#register);
      }
      at = end;
    }
    return true;
  }

  #take(tag: number, value: Uint8Array): boolean {
    if (tag === TAG.PAD) return true;
    if (tag === TAG.HEAD) return this.#head(value);
    const operation = parseOperation(tag, value);
    if (operation === undefined || !this.#headSeen) return false;
    this.#pending.push(operation);
    return true;
  }

  /** `ext4_fc_head`: no features are known; the area may hold commits of older transactions. */
  #head(value: Uint8Array): boolean {
    if (value.length < 8 || readU32le(value, 0) !== 0) return false;
    this.#headSeen = true;
    return readU32le(value, 4) === this.#sequence;
  }

  /** `ext4_fc_tail`: the checksum covers all since the last tail, up to the number in this one. */
  #tail(whole: Uint8Array, value: Uint8Array): boolean {
    if (value.length < 8 || readU32le(value, 0) !== this.#sequence) return false;
    const sum = crc32cRaw(whole.subarray(0, HEADER_BYTES + 4), this.#register);
    if (sum !== readU32le(value, 4)) return false;
    for (const operation of this.#pending) this.operations.push(operation);
    this.#pending = [];
    this.#register = 0;
    this.commitCount += 1;
    return true;
  }
}
