/** From the log to the overlay: the newest copy of each block that was not revoked. */
import { crc32cRaw, writeU32be } from '@diskfile/bytes';
import type { Step } from '@diskfile/core';
import type { Report } from '../report.ts';
import { tagChecksumFits } from './descriptor.ts';
import type { JournalLog } from './log.ts';
import { JournalOverlay } from './overlay.ts';
import type { LoggedBlock, ScannedLog } from './scan.ts';
import { isLater } from './structs.ts';
import type { JournalSuperblock } from './superblock.ts';

export interface Replay {
  readonly overlay: JournalOverlay;
  /** Logged copies that were passed over because the block was revoked. */
  readonly revokedCount: number;
}

/** @param blockCount blocks of the filesystem; copies of others are damage */
export function* replay(
  scanned: ScannedLog,
  journal: JournalSuperblock,
  log: JournalLog,
  blockCount: number,
  report: Report,
): Step<Replay> {
  const newest = new Map<number, LoggedBlock>();
  const seedOf = sequenceSeeds(journal);
  const verify = journal.checksum === 'v2' || journal.checksum === 'v3';
  let revokedCount = 0;
  for (const logged of scanned.blocks) {
    const revokedBy = scanned.revokes.get(logged.block);
    if (revokedBy !== undefined && !isLater(logged.sequence, revokedBy)) {
      revokedCount += 1;
      continue;
    }
    if (logged.block >= blockCount) {
      report.damage('journal-block', `The journal holds block ${logged.block} of ${blockCount}`);
      continue;
    }
    if (verify) {
      const copy = yield* log.read(logged.logBlock);
      if (!tagChecksumFits(logged, copy, seedOf(logged.sequence), journal)) {
        report.damage(
          'journal-data-checksum',
          `The checksum of block ${logged.block} in the journal does not fit; it is not replayed`,
        );
        continue;
      }
    }
    newest.set(logged.block, logged);
  }
  return { overlay: yield* makeOverlay(newest, log), revokedCount };
}

/** Checksums of logged copies begin with the journal's seed and the transaction's number. */
function sequenceSeeds(journal: JournalSuperblock): (sequence: number) => number {
  const bytes = new Uint8Array(4);
  let known: { sequence: number; seed: number } | undefined;
  return (sequence) => {
    if (known?.sequence !== sequence) {
      writeU32be(bytes, 0, sequence);
      known = { sequence, seed: crc32cRaw(bytes, journal.checksumSeed) };
    }
    return known.seed;
  };
}

function* makeOverlay(
  newest: ReadonlyMap<number, LoggedBlock>,
  log: JournalLog,
): Step<JournalOverlay> {
  const blocks = Float64Array.from(newest.keys()).toSorted();
  const logBlocks = new Float64Array(blocks.length);
  const escaped = new Uint8Array(blocks.length);
  for (let index = 0; index < blocks.length; index++) {
    const logged = newest.get(blocks[index]!)!;
    logBlocks[index] = yield* log.locate(logged.logBlock);
    escaped[index] = logged.escaped ? 1 : 0;
  }
  return new JournalOverlay(blocks, logBlocks, escaped);
}
