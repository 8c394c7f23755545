/** `npm run crash`: every crash point of every workload, in at least fifty ways. */
import { parseArgs } from 'node:util';
import { runCrashes } from './crash-run.ts';
import { ALL_WORKLOADS } from './workloads.ts';

const USAGE = `usage: npm run crash -- [--states COUNT] [--seed NUMBER] [--only TEXT] [--format NAME]

Loses power at every point of every workload and looks at what is left. Exit code 1 when an image
breaks a promise.
  --states COUNT  how many states of each point, unless there are fewer (default 60)
  --seed NUMBER   which states (default 1)
  --only TEXT     only workloads whose name contains it
  --format NAME   only workloads of this format (default: all)
`;
const SHOWN_VIOLATIONS = 5;

const { values } = parseArgs({
  options: {
    states: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    format: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function main(): number {
  const statesPerPoint = Number(values.states);
  const seed = Number(values.seed);
  if (values.help || !(statesPerPoint > 0) || !Number.isSafeInteger(seed)) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const { only, format } = values;
  const workloads = ALL_WORKLOADS.filter(
    ({ name, subject }) => name.includes(only) && (format ?? subject.format) === subject.format,
  );
  if (workloads.length === 0) throw new Error('there is no such workload');
  const sum = { points: 0, states: 0, distinct: 0, violations: 0 };
  for (const workload of workloads) {
    const { points, states, distinct, violations } = runCrashes(workload, { statesPerPoint, seed });
    sum.points += points;
    sum.states += states;
    sum.distinct += distinct;
    sum.violations += violations.length;
    process.stderr.write(`${workload.name}: ${states} states of ${points} points\n`);
    for (const text of violations.slice(0, SHOWN_VIOLATIONS)) process.stdout.write(`${text}\n`);
  }
  process.stdout.write(
    `seed ${seed}: ${workloads.length} workloads, ${sum.points} crash points, ` +
      `${sum.states} states (${sum.distinct} distinct), ${sum.violations} violations\n`,
  );
  return sum.violations === 0 ? 0 : 1;
}

process.exitCode = main();
