/** The model, crash, fault and concurrency kits on VDI, VHD and VHDX: disks that are kept in blocks. */
import { afterAll, describe, expect, it } from 'vitest';
import {
  allSubjects,
  DiskTrial,
  Faults,
  OperationCounts,
  runCrashes,
  runFaults,
  runModel,
  runOverlapping,
  runOverlappingCrashes,
  smallVdiSubject,
  smallVhdOverlay,
  smallVhdSubject,
  VDI_WORKLOADS,
  vdiSubjects,
  VHD_WORKLOADS,
  vhdSubjects,
  VHDX_WORKLOADS,
  vhdxSubjects,
  type Workload,
} from '../src/index.ts';

const SEED = Number(process.env['MODEL_SEED'] ?? 1);
/** `npm run model`, `npm run crash` and `npm run faults` try many more. */
const OPERATIONS = Number(process.env['BLOCK_OPERATIONS'] ?? 200);
const STATES_PER_POINT = Number(process.env['CRASH_STATES'] ?? 5);
const SMALL = [
  smallVdiSubject({ blockBytes: 4096, blockExtraBytes: 512 }),
  smallVhdSubject(4096),
  smallVhdOverlay(4096),
];

const named = (workload: Workload) => [workload.name, workload] as const;
/** Nothing about a VHDX file is small, so these are the most telling ones. */
const vhdxWorkloads = VHDX_WORKLOADS.filter(({ name }) =>
  /^vhdx dynamic: (new blocks|closed)|^vhdx differencing: (random 1|several)/.test(name),
);

describe('a new disk that nothing is written to', () => {
  it.each(allSubjects().map((subject) => [subject.name, subject] as const))('%s', (_, subject) => {
    const trial = new DiskTrial(subject);
    trial.close();
    expect(subject.verify(trial.files)).toEqual({ errors: [], leaks: [], isDirty: false });
  });
});

describe('random operations do what they do to plain bytes', () => {
  const subjects = [...vdiSubjects(), ...vhdSubjects(), ...vhdxSubjects()];

  it.each(subjects.map((subject) => [subject.name, subject] as const))('%s', (_, subject) => {
    const counts = new OperationCounts();
    runModel(subject, { operations: OPERATIONS, seed: SEED }, counts);
    expect(counts.total).toBeGreaterThanOrEqual(OPERATIONS);
  });
});

describe('whenever the power goes, all that was flushed is there, and the image is whole', () => {
  const totals = { points: 0, states: 0 };
  const small = [...VDI_WORKLOADS, ...VHD_WORKLOADS].map(
    (workload) => [workload.name, workload, STATES_PER_POINT] as const,
  );
  const large = vhdxWorkloads.map((workload) => [workload.name, workload, 2] as const);

  it.each([...small, ...large])('%s', (_, workload, statesPerPoint) => {
    const report = runCrashes(workload, { statesPerPoint, seed: SEED });
    expect(report.violations).toEqual([]);
    expect(report.points).toBeGreaterThan(5);
    totals.points += report.points;
    totals.states += report.states;
  });

  afterAll(() => {
    const { points, states } = totals;
    process.stdout.write(`blocks, seed ${SEED}: ${points} crash points, ${states} states\n`);
  });
});

describe('whichever operation of the host fails, work goes on and nothing is lost', () => {
  const chosen = [...VDI_WORKLOADS, ...VHD_WORKLOADS, ...vhdxWorkloads.slice(0, 1)].filter(
    ({ name }) => !name.endsWith(' random 2') && !name.endsWith(' random 3'),
  );

  it.each(chosen.map(named))('%s', (_, workload) => {
    for (const kind of [{ errno: 'EIO' }, { errno: 'ENOSPC', lasting: true }] as const) {
      const report = runFaults(workload, kind, { crashStates: 0, seed: SEED });
      expect(report.violations).toEqual([]);
      expect(report.failures).toBeGreaterThan(0);
    }
  });
});

describe('requests in flight on several handles', () => {
  it.each(SMALL.map((subject) => [subject.name, subject] as const))(
    'take effect in the order they came: %s',
    async (_, subject) => {
      const report = await runOverlapping(subject, { seed: SEED, rounds: 3, requests: 64 });
      expect(report.reads).toBeGreaterThan(0);
    },
  );

  it.each(SMALL.map((subject) => [subject.name, subject] as const))(
    'end on a host that fails, and damage nothing: %s',
    async (_, subject) => {
      let failures = 0;
      for (const failAt of [20, 90]) {
        const faults = new Faults({ failAt, errno: 'EIO', lasting: failAt === 90 });
        const options = { seed: SEED + failAt, rounds: 2, requests: 64, faults };
        failures += (await runOverlapping(subject, options)).failures;
      }
      expect(failures).toBeGreaterThan(0);
    },
  );

  it.each(SMALL.map((subject) => [subject.name, subject] as const))(
    'lose nothing that was flushed with the power: %s',
    async (_, subject) => {
      const options = { seed: SEED, rounds: 1, requests: 30, statesPerPoint: 2 };
      const report = await runOverlappingCrashes(subject, options);
      expect(report.violations).toEqual([]);
      expect(report.points).toBeGreaterThan(30);
    },
  );
});
