import { afterAll, describe, expect, it } from 'vitest';
import { type FaultKind, QCOW2_WORKLOADS, runFaults } from '../src/index.ts';

/** `npm run faults` tries two more, and loses power after each failure. */
const KINDS: readonly FaultKind[] = [{ errno: 'EIO' }, { errno: 'ENOSPC', lasting: true }];

describe('whichever operation of the host fails, work goes on and nothing is lost', () => {
  const totals = { runs: 0, failures: 0 };

  it.each(QCOW2_WORKLOADS.map((workload) => [workload.name, workload] as const))(
    '%s',
    (_, workload) => {
      for (const kind of KINDS) {
        const report = runFaults(workload, kind, { crashStates: 0, seed: 1 });
        expect(report.violations).toEqual([]);
        expect(report.failures).toBeGreaterThan(0);
        totals.runs += report.runs;
        totals.failures += report.failures;
      }
    },
  );

  afterAll(() => {
    const { runs, failures } = totals;
    process.stdout.write(
      `faults: ${runs} host operations failed, ${failures} requests with them\n`,
    );
  });
});
