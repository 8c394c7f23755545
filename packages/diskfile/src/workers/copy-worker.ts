/** A worker thread that copies: it opens the source for itself and writes to shared files. */
import { parentPort } from 'node:worker_threads';
import { type HostCall, runSync } from '@diskfile/core';
import { writeShared } from '@diskfile/storage';
import { type CopySink, LocalHand } from '../convert/copy-hand.ts';
import { SourceParts } from '../convert/source-parts.ts';
import { reopenDiskSync } from '../open/open-disk-file.ts';
import { toErrorMessage } from './error-message.ts';
import type { CopyAnswer, CopyOrder, CopyOutcome, CopyStart } from './worker-messages.ts';

export function runCopyWorker({ descriptors, settings, files, hands }: CopyStart): void {
  let own: LocalHand[];
  answering(0, () => {
    const source = new SourceParts(descriptors.map(reopenDiskSync));
    own = Array.from({ length: hands }, () => new LocalHand(source, settings, sinkOf(files)));
    return undefined;
  });
  parentPort!.on('message', (order: CopyOrder) => {
    answering(order.hand, () => follow(own[order.hand]!, order));
  });
}

function sinkOf(files: CopyStart['files']): CopySink {
  return {
    write: (number, bytes, offset): HostCall => ({
      runSync: () => writeShared(files[number]!, bytes, offset),
      run: async () => writeShared(files[number]!, bytes, offset),
    }),
  };
}

function follow(hand: LocalHand, order: CopyOrder): CopyOutcome {
  if (order.op === 'prepare') return runSync(hand.prepare(order.ranges));
  if (order.op === 'store') {
    runSync(hand.store(order.plan));
    return undefined;
  }
  return runSync(hand.prepareAndStore(order.ranges, order.place));
}

/** Does some work and answers the calling thread, exactly once whatever happens. */
function answering(hand: number, work: () => CopyOutcome): void {
  let answer: CopyAnswer;
  try {
    answer = { hand, outcome: work() };
  } catch (error) {
    answer = { hand, error: toErrorMessage(error) };
  }
  parentPort!.postMessage(answer);
}
