/** Commit blocks: without one that fits, a transaction never happened. */
import { crc32BigEndianRaw, readU32be } from '@diskfile/bytes';
import { crc32cWithHole } from '../checksum.ts';
import type { JournalSuperblock } from './superblock.ts';
import { commit_header } from './structs.ts';

const CHECKSUM_TYPE_CRC32 = 1;
const CHECKSUM_BYTES = 4;

/** The checksum of version 1: over descriptors and logged copies of a transaction, in order. */
export class TransactionChecksum {
  #register = 0xffff_ffff;

  add(block: Uint8Array): void {
    this.#register = crc32BigEndianRaw(block, this.#register);
  }

  /** A commit block either carries the checksum, or says that there is none. */
  fits(commit: Uint8Array): boolean {
    const type = commit[commit_header.h_chksum_type];
    const size = commit[commit_header.h_chksum_size];
    const stored = readU32be(commit, commit_header.h_chksum);
    if (type === 0 && size === 0) return stored === 0;
    return type === CHECKSUM_TYPE_CRC32 && size === CHECKSUM_BYTES && stored === this.#register;
  }
}

/** Whether the block's own checksum (versions 2 and 3) fits; true where there is none. */
export function commitChecksumFits(commit: Uint8Array, journal: JournalSuperblock): boolean {
  if (journal.checksum !== 'v2' && journal.checksum !== 'v3') return true;
  const at = commit_header.h_chksum;
  const sum = crc32cWithHole(commit, at, CHECKSUM_BYTES, journal.checksumSeed);
  return sum === readU32be(commit, at);
}
