/** All operations, as often as they should come. A new one joins the list here. */
import fc from 'fast-check';
import type { Operation } from '../operation.ts';
import { amendments } from './amend.ts';
import { batches } from './batch.ts';
import { bitmapOperations } from './bitmaps.ts';
import { discards } from './discard.ts';
import { drops } from './drop-content.ts';
import { flushes } from './flush.ts';
import { handleOperations } from './handles.ts';
import { reads } from './read.ts';
import { resizes } from './resize.ts';
import { snapshotOperations } from './snapshots.ts';
import { compressedWrites } from './write-compressed.ts';
import { writes } from './write.ts';
import { zeroWrites } from './write-zeroes.ts';

const WEIGHTED: readonly { weight: number; arbitrary: fc.Arbitrary<Operation> }[] = [
  { weight: 12, arbitrary: writes },
  { weight: 4, arbitrary: zeroWrites },
  { weight: 4, arbitrary: discards },
  { weight: 3, arbitrary: reads },
  { weight: 2, arbitrary: flushes },
  { weight: 2, arbitrary: handleOperations },
  { weight: 2, arbitrary: batches },
  { weight: 3, arbitrary: snapshotOperations },
  { weight: 1, arbitrary: resizes },
  { weight: 4, arbitrary: bitmapOperations },
  { weight: 2, arbitrary: compressedWrites },
  { weight: 1, arbitrary: amendments },
];

/** Hardly anything is left after it. */
const RARE = 60;

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: RARE, arbitrary: fc.oneof(...WEIGHTED) },
  { weight: 1, arbitrary: drops },
);
