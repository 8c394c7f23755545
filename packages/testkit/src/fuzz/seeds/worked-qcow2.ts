/** Small images that much has been done to: with snapshots, bitmaps and compressed clusters. */
import fc from 'fast-check';
import { DiskError } from '@diskfile/bytes';
import { MemoryStorage } from '@diskfile/core';
import { checkDiskFileSync, openDiskFileSync } from 'diskfile';
import { DiskTrial } from '../../model/disk-trial.ts';
import { operations } from '../../model/operations/index.ts';
import { adoptOutcome, isDone } from '../../model/outcome.ts';
import { qcow2Subjects } from '../../subject/qcow2-subjects.ts';
import type { Subject } from '../../subject/subject.ts';
import { writingGate } from '../exercise/writing-gate.ts';
import type { SeedImage } from '../seed-image.ts';
import { describeQcow2, qcow2Seeds } from './qcow2.ts';

const MAX_CLUSTER_BYTES = 4096;
const OPERATIONS = 60;

let worked: readonly SeedImage[] | undefined;

function workedSeeds(): readonly SeedImage[] {
  worked ??= qcow2Subjects()
    .filter(({ clusterBytes, options }) => clusterBytes <= MAX_CLUSTER_BYTES && !options.data_file)
    .map((subject, index) => describeQcow2({ name: subject.name, bytes: workOn(subject, index) }));
  return worked;
}

function workOn(subject: Subject, seed: number): Uint8Array {
  const trial = new DiskTrial(subject);
  const model = trial.modelNow();
  for (const operation of fc.sample(operations, { seed, numRuns: OPERATIONS })) {
    if (operation.isPossible?.(model) === false) continue;
    if (isDone(operation, trial, model)) adoptOutcome(model, operation, trial);
  }
  trial.close();
  return trial.files.bytes();
}

/** Seeds that can be opened for writing. */
export function writableQcow2Seeds(): SeedImage[] {
  const gate = writingGate(new Uint8Array(0), 0);
  return [...workedSeeds(), ...qcow2Seeds()].filter(({ bytes }) =>
    isAccepted(() => {
      const storage = new MemoryStorage(bytes.slice());
      openDiskFileSync(storage, { format: 'qcow2', gate, backing: false, readOnly: false });
    }),
  );
}

/** Seeds that can be checked. */
export function checkableQcow2Seeds(): SeedImage[] {
  const gate = writingGate(new Uint8Array(0), 0);
  return [...workedSeeds(), ...qcow2Seeds()].filter(({ bytes }) =>
    isAccepted(() => checkDiskFileSync(new MemoryStorage(bytes), { format: 'qcow2', gate })),
  );
}

function isAccepted(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (error instanceof DiskError) return false;
    throw error;
  }
}
