/** Reading the log from its start to the first transaction that was not committed. */
import type { Step } from '@diskfile/core';
import type { Report } from '../report.ts';
import { commitChecksumFits, TransactionChecksum } from './commit.ts';
import { type BlockTag, parseRevokes, parseTags, tailChecksumFits } from './descriptor.ts';
import type { JournalLog } from './log.ts';
import { BLOCK_TYPE, isLater, nextSequence, readJournalHeader } from './structs.ts';
import type { JournalSuperblock } from './superblock.ts';

/** A copy of a block in the log, of a transaction that was committed. */
export interface LoggedBlock extends BlockTag {
  readonly logBlock: number;
  readonly sequence: number;
}

export interface ScannedLog {
  /** In the order of the log. */
  readonly blocks: readonly LoggedBlock[];
  /** For each revoked block the last transaction that revoked it. */
  readonly revokes: ReadonlyMap<number, number>;
  readonly transactionCount: number;
  /** Number of the transaction after the last committed one. */
  readonly endSequence: number;
  /** Why the log ended there, when it was not simply its end. */
  readonly stoppedBecause: string | undefined;
}

/** @param maxBlocks bound on logged and on revoked blocks, each */
export function* scanLog(
  journal: JournalSuperblock,
  log: JournalLog,
  maxBlocks: number,
  report: Report,
): Step<ScannedLog> {
  const scan = new LogScan(journal, log, maxBlocks, report);
  while (yield* scan.step());
  return scan.result();
}

class LogScan {
  readonly #journal: JournalSuperblock;
  readonly #log: JournalLog;
  readonly #maxBlocks: number;
  readonly #report: Report;
  readonly #blocks: LoggedBlock[] = [];
  readonly #revokes = new Map<number, number>();
  #transactionCount = 0;
  #sequence: number;
  #position: number;
  /** Blocks of the circle that have not been looked at. */
  #unread: number;
  #stoppedBecause: string | undefined;
  /** Of the transaction that is being read. */
  #pendingBlocks: LoggedBlock[] = [];
  #pendingRevokes: number[] = [];
  #checksum = new TransactionChecksum();

  constructor(journal: JournalSuperblock, log: JournalLog, maxBlocks: number, report: Report) {
    this.#journal = journal;
    this.#log = log;
    this.#maxBlocks = maxBlocks;
    this.#report = report;
    this.#sequence = journal.sequence;
    this.#position = journal.startBlock;
    this.#unread = journal.logEnd - journal.firstBlock;
  }

  result(): ScannedLog {
    return {
      blocks: this.#blocks,
      revokes: this.#revokes,
      transactionCount: this.#transactionCount,
      endSequence: this.#sequence,
      stoppedBecause: this.#stoppedBecause,
    };
  }

  /** Reads one block of the log's own and what belongs to it; false at the end. */
  *step(): Step<boolean> {
    if (this.#unread === 0) return false;
    const bytes = yield* this.#log.read(this.#position);
    const header = readJournalHeader(bytes);
    if (header === undefined || header.sequence !== this.#sequence) return false;
    this.#advance();
    if (header.type === BLOCK_TYPE.DESCRIPTOR) return yield* this.#descriptor(bytes);
    if (header.type === BLOCK_TYPE.REVOKE) return this.#revoke(bytes);
    if (header.type === BLOCK_TYPE.COMMIT) return this.#commit(bytes);
    return this.#stop(`has a block of the unknown type ${header.type}`);
  }

  *#descriptor(bytes: Uint8Array): Step<boolean> {
    if (!tailChecksumFits(bytes, this.#journal)) {
      return this.#stop('has a descriptor block whose checksum does not fit');
    }
    const withChecksum = this.#journal.checksum === 'v1';
    if (withChecksum) this.#checksum.add(bytes);
    for (const tag of parseTags(bytes, this.#journal)) {
      if (this.#unread === 0) return this.#stop('is longer than the log');
      this.#checkCount(this.#blocks.length + this.#pendingBlocks.length);
      this.#pendingBlocks.push({ ...tag, logBlock: this.#position, sequence: this.#sequence });
      if (withChecksum) this.#checksum.add(yield* this.#log.read(this.#position));
      this.#advance();
    }
    return true;
  }

  #revoke(bytes: Uint8Array): boolean {
    const blocks = tailChecksumFits(bytes, this.#journal)
      ? parseRevokes(bytes, this.#journal)
      : undefined;
    if (blocks === undefined) return this.#stop('has a revoke block that is damaged');
    this.#checkCount(this.#revokes.size + this.#pendingRevokes.length);
    for (const block of blocks) this.#pendingRevokes.push(block);
    return true;
  }

  #commit(bytes: Uint8Array): boolean {
    const fits =
      this.#journal.checksum === 'v1'
        ? this.#checksum.fits(bytes)
        : commitChecksumFits(bytes, this.#journal);
    if (!fits) return this.#stop('has a commit block whose checksum does not fit');
    for (const block of this.#pendingBlocks) this.#blocks.push(block);
    for (const block of this.#pendingRevokes) {
      const known = this.#revokes.get(block);
      if (known === undefined || isLater(this.#sequence, known)) {
        this.#revokes.set(block, this.#sequence);
      }
    }
    this.#pendingBlocks = [];
    this.#pendingRevokes = [];
    this.#checksum = new TransactionChecksum();
    this.#transactionCount += 1;
    this.#sequence = nextSequence(this.#sequence);
    return true;
  }

  #advance(): void {
    this.#unread -= 1;
    this.#position += 1;
    if (this.#position === this.#journal.logEnd) this.#position = this.#journal.firstBlock;
  }

  #stop(reason: string): false {
    this.#stoppedBecause = `transaction ${this.#sequence} ${reason}`;
    return false;
  }

  #checkCount(count: number): void {
    if (count < this.#maxBlocks) return;
    throw this.#report.limit(
      'journal-too-long',
      `The journal holds more than ${this.#maxBlocks} blocks to replay`,
      { hint: 'Raise the limit maxStructureBytes.' },
    );
  }
}
