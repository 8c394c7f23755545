import { afterAll, describe, expect, it } from 'vitest';
import {
  AS_QEMU_WORKLOADS,
  QCOW2_WORKLOADS,
  runCrashes,
  StorageWrapper,
  type Subject,
  type Workload,
} from '../src/index.ts';

/** A sample; `npm run crash` tries many more. */
const STATES_PER_POINT = Number(process.env['CRASH_STATES'] ?? 8);
const WORKLOADS = [
  ...QCOW2_WORKLOADS,
  // Those in which something is done otherwise.
  ...AS_QEMU_WORKLOADS.filter(({ name }) => /^(zeros|discarded|lazy|snapshots|random)/.test(name)),
];
const SEED = Number(process.env['CRASH_SEED'] ?? 1);

describe('whenever the power goes, all that was flushed is there, and the image is whole', () => {
  const totals = { points: 0, states: 0, distinct: 0 };
  const options = { statesPerPoint: STATES_PER_POINT, seed: SEED };

  it.each(WORKLOADS.map((workload) => [workload.name, workload] as const))('%s', (_, workload) => {
    const { points, states, distinct, violations } = runCrashes(workload, options);
    totals.points += points;
    totals.states += states;
    totals.distinct += distinct;
    expect(violations).toEqual([]);
    expect(points).toBeGreaterThan(8);
  });

  afterAll(() => {
    const { points, states, distinct } = totals;
    process.stdout.write(
      `crash, seed ${SEED}: ${WORKLOADS.length} workloads, ${points} points, ` +
        `${states} states (${distinct} distinct)\n`,
    );
  });
});

describe('a disk that is not safe from a loss of power', () => {
  const workload = QCOW2_WORKLOADS.find(({ name }) => name === 'discarded and used again')!;

  it('is found when flushes do nothing', () => {
    const { violations } = runCrashes(behind(workload, 1), { statesPerPoint: 8, seed: 1 });
    expect(violations.join('\n')).toMatch(/holds what was never written there/);
  });

  it('is found when some flushes do nothing', () => {
    const { violations } = runCrashes(behind(workload, 2), { statesPerPoint: 20, seed: 1 });
    expect(violations.length).toBeGreaterThan(0);
  });
});

/** Does only some of the flushes that it is told to do. */
class CarelessStorage extends StorageWrapper {
  #flushes = 0;
  readonly #every: number;

  constructor(inner: StorageWrapper['inner'], every: number) {
    super(inner);
    this.#every = every;
  }

  override flushSync(): void {
    this.#flushes += 1;
    if (this.#flushes % this.#every !== 0) super.flushSync();
  }
}

function behind(workload: Workload, every: number): Workload {
  const { subject } = workload;
  const careless: Subject = {
    ...subject,
    create: () => subject.create(),
    verify: (files) => subject.verify(files),
    check: (files) => subject.check(files),
    open: (files, options) =>
      subject.open(
        files.wrapped((storage) => new CarelessStorage(storage, every)),
        options,
      ),
  };
  return { ...workload, subject: careless };
}
