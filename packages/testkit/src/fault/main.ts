/** `npm run faults`: every operation of the host fails once, in every way, in every workload. */
import { parseArgs } from 'node:util';
import { ALL_WORKLOADS } from '../crash/workloads.ts';
import { FAULT_KINDS, runFaults } from './fault-run.ts';

const USAGE = `usage: npm run faults -- [--states COUNT] [--seed NUMBER] [--only TEXT] [--format NAME]

Lets every single operation of the host fail, with EIO and with ENOSPC, once and from then on until
space is freed. Exit code 1 when a disk breaks a promise.
  --states COUNT  crashes right after each failure that are looked at (default 6)
  --seed NUMBER   which of them (default 1)
  --only TEXT     only workloads whose name contains it
  --format NAME   only workloads of this format (default: all)
`;
const SHOWN_VIOLATIONS = 5;

const { values } = parseArgs({
  options: {
    states: { type: 'string', default: '6' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    format: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function main(): number {
  const crashStates = Number(values.states);
  const seed = Number(values.seed);
  if (values.help || !(crashStates >= 0) || !Number.isSafeInteger(seed)) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const { only, format } = values;
  const workloads = ALL_WORKLOADS.filter(
    ({ name, subject }) => name.includes(only) && (format ?? subject.format) === subject.format,
  );
  if (workloads.length === 0) throw new Error('there is no such workload');
  const sum = { runs: 0, failures: 0, crashes: 0, violations: 0 };
  for (const workload of workloads) {
    for (const kind of FAULT_KINDS) {
      const report = runFaults(workload, kind, { crashStates, seed });
      sum.runs += report.runs;
      sum.failures += report.failures;
      sum.crashes += report.crashes;
      sum.violations += report.violations.length;
      const shown = report.violations.slice(0, SHOWN_VIOLATIONS);
      for (const text of shown) process.stdout.write(`${text}\n`);
    }
    process.stderr.write(`${workload.name}: ${sum.runs} faults so far\n`);
  }
  process.stdout.write(
    `seed ${seed}: ${workloads.length} workloads, ${sum.runs} faults, ${sum.failures} operations ` +
      `failed, ${sum.crashes} crashes after them, ${sum.violations} violations\n`,
  );
  return sum.violations === 0 ? 0 : 1;
}

process.exitCode = main();
