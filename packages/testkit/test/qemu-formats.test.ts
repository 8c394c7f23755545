/** QED, qcow and Parallels in the kits: a sample, of which `npm run crash` and others do more. */
import { describe, expect, it } from 'vitest';
import {
  parallelsSubjects,
  PARALLELS_WORKLOADS,
  QCOW_WORKLOADS,
  qcowSubjects,
  QED_WORKLOADS,
  qedSubjects,
  runCrashes,
  runFaults,
  runModel,
} from '../src/index.ts';

const SUBJECTS = [...qedSubjects(), ...qcowSubjects(), ...parallelsSubjects()].map(
  (subject) => [subject.name, subject] as const,
);
/** Disks of many clusters take long to compare. */
const WORKLOADS = [...QED_WORKLOADS, ...QCOW_WORKLOADS, ...PARALLELS_WORKLOADS]
  .filter(({ name }) => !name.includes('several tables'))
  .map((workload) => [workload.name, workload] as const);
const FAULTY = WORKLOADS.filter(([name]) => name.endsWith('random 2'));

describe('QED, qcow and Parallels', () => {
  it.each(SUBJECTS)('do what plain bytes do: %s', (_, subject) => {
    runModel(subject, { operations: 300, seed: 1 });
  });

  it.each(WORKLOADS)('lose nothing that was flushed: %s', (_, workload) => {
    const { violations, points } = runCrashes(workload, { statesPerPoint: 3, seed: 1 });
    expect(violations).toEqual([]);
    expect(points).toBeGreaterThan(5);
  });

  it.each(FAULTY)('go on after whatever fails: %s', (_, workload) => {
    const { violations } = runFaults(workload, { errno: 'EIO' }, { crashStates: 0, seed: 1 });
    expect(violations).toEqual([]);
  });
});
