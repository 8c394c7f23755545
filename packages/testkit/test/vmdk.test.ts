/** The model, crash, fault and concurrency kits on VMDK disks. */
import { afterAll, describe, expect, it } from 'vitest';
import {
  Faults,
  OperationCounts,
  runCrashes,
  runFaults,
  runModel,
  runOverlapping,
  runOverlappingCrashes,
  smallVmdkOverlay,
  smallVmdkSubject,
  unevenVmdkSubject,
  VMDK_WORKLOADS,
  vmdkSubjects,
} from '../src/index.ts';

const SEED = Number(process.env['MODEL_SEED'] ?? 1);
/** `npm run model`, `npm run crash` and `npm run faults` try many more. */
const OPERATIONS = Number(process.env['BLOCK_OPERATIONS'] ?? 100);
const STATES_PER_POINT = Number(process.env['CRASH_STATES'] ?? 2);
const SMALL = [
  smallVmdkSubject({ grainBytes: 4096 }),
  smallVmdkOverlay({ grainBytes: 4096, zeroedGrains: true }),
  unevenVmdkSubject(4096),
].map((subject) => [subject.name, subject] as const);

describe('random operations do what they do to plain bytes', () => {
  const subjects = vmdkSubjects().map((subject) => [subject.name, subject] as const);

  it.each(subjects)('%s', (_, subject) => {
    const counts = new OperationCounts();
    runModel(subject, { operations: OPERATIONS, seed: SEED }, counts);
    expect(counts.total).toBeGreaterThanOrEqual(OPERATIONS);
  });
});

describe('whenever the power goes, all that was flushed is there, and the image is whole', () => {
  const totals = { points: 0, states: 0 };
  const workloads = VMDK_WORKLOADS.filter(({ name }) => !/ random [23]$/.test(name)).map(
    (workload) => [workload.name, workload] as const,
  );

  it.each(workloads)('%s', (_, workload) => {
    const report = runCrashes(workload, { statesPerPoint: STATES_PER_POINT, seed: SEED });
    expect(report.violations).toEqual([]);
    expect(report.points).toBeGreaterThan(5);
    totals.points += report.points;
    totals.states += report.states;
  });

  afterAll(() => {
    const { points, states } = totals;
    process.stdout.write(`vmdk, seed ${SEED}: ${points} crash points, ${states} states\n`);
  });
});

describe('whichever operation of the host fails, work goes on and nothing is lost', () => {
  const chosen = VMDK_WORKLOADS.filter(({ name }) =>
    /parent.*(new|random 1)|uneven.*(there|closed|batches)/.test(name),
  );

  it.each(chosen.map((workload) => [workload.name, workload] as const))('%s', (_, workload) => {
    for (const kind of [{ errno: 'EIO' }, { errno: 'ENOSPC', lasting: true }] as const) {
      const report = runFaults(workload, kind, { crashStates: 0, seed: SEED });
      expect(report.violations).toEqual([]);
      expect(report.failures).toBeGreaterThan(0);
    }
  });
});

describe('requests in flight on several handles', () => {
  it.each(SMALL)('take effect in the order they came: %s', async (_, subject) => {
    const report = await runOverlapping(subject, { seed: SEED, rounds: 3, requests: 64 });
    expect(report.reads).toBeGreaterThan(0);
  });

  it.each(SMALL)('end on a host that fails, and damage nothing: %s', async (_, subject) => {
    let failures = 0;
    for (const failAt of [40, 90]) {
      const faults = new Faults({ failAt, errno: 'EIO', lasting: failAt === 90 });
      const options = { seed: SEED + failAt, rounds: 2, requests: 64, faults };
      failures += (await runOverlapping(subject, options)).failures;
    }
    expect(failures).toBeGreaterThan(0);
  });

  it.each(SMALL)('lose nothing that was flushed with the power: %s', async (_, subject) => {
    const options = { seed: SEED, rounds: 1, requests: 30, statesPerPoint: 2 };
    const report = await runOverlappingCrashes(subject, options);
    expect(report.violations).toEqual([]);
    expect(report.points).toBeGreaterThan(30);
  });
});
