/**
 * Workloads for disks that are kept in blocks anywhere in a file: new blocks one by one and many at
 * a time, blocks in part, blocks written again. They fit any subject of three blocks and a rest.
 */
import fc from 'fast-check';
import type { Operation } from '../model/operation.ts';
import { operations as anyOperation } from '../model/operations/index.ts';
import { SECTOR_BYTES } from '../model/mismatch.ts';
import type { Subject } from '../subject/subject.ts';
import { batch, script } from './script.ts';
import type { Workload } from './workload.ts';

const RANDOM_STEPS = 16;

export function blockWorkloads(subject: Subject): Workload[] {
  const block = subject.clusterBytes / SECTOR_BYTES;
  const last = Math.floor(subject.sizeBytes / SECTOR_BYTES) - 1;
  const workload = (name: string, prepared: string, operations: readonly Operation[]) => ({
    name: `${subject.name}: ${name}`,
    subject,
    preparation: script(prepared),
    operations,
  });
  const one = `write ${block + 1} 3`;
  return [
    workload(
      'new blocks',
      '',
      script(`
        ${one}; flush; write 0 2; flush; write ${2 * block - 1} 2; write ${last} 1; flush; flush;
        write 5 1`),
    ),
    workload(
      'new blocks without a flush in between',
      '',
      script(
        `write ${2 * block} 2; write 0 2; ${one}; write ${last} 1; write 1 2; flush; write 7 1`,
      ),
    ),
    workload(
      'blocks that are there',
      `write 0 ${block + 8}`,
      script(`
        write 3 4; write-bytes 100 2000; flush; write ${block - 1} 3; zero 2 3; flush;
        zero-keep 4 2; discard 1 5; flush; write 2 1`),
    ),
    workload(
      'zeros and discards where nothing is',
      one,
      script(`
        zero ${2 * block} 4; discard ${block} ${block}; flush; zero-keep ${block + 2} 4; flush;
        zero ${last} 1; write ${2 * block + 1} 1; flush`),
    ),
    workload('batches', one, [
      batch(`write ${block} 4; zero ${block + 3} 2; write ${2 * block + 1} 3; flush; write 1 2`),
      batch(`write ${last} 1; discard 0 3; write ${block - 2} 4`),
      ...script('flush; write 2 4'),
    ]),
    workload(
      'several handles',
      '',
      script(`clone; write 1 3; ${one} 1; flush; write ${2 * block} 2 1; flush 1; write 0 1`),
    ),
    workload(
      'closed and opened',
      '',
      script(`write 0 3; reopen; ${one}; reopen; write 2 2; reopen; write ${last} 1; reopen`),
    ),
  ];
}

/** Handles are left alone: a failure is easier to understand without. */
export function randomWorkload(subject: Subject, seed: number): Workload {
  const operations = fc
    .sample(anyOperation, { seed, numRuns: RANDOM_STEPS })
    .filter(({ kind }) => kind !== 'clone' && kind !== 'close');
  const name = `${subject.name}: random ${seed}`;
  return { name, subject, preparation: [], operations, isRandom: true };
}
