/** `npm run model -- --operations COUNT --seed NUMBER`: the long run of the model tests. */
import { inspect, parseArgs } from 'node:util';
import { allSubjects } from '../subject/subjects.ts';
import { OperationCounts, runModel } from './model-run.ts';
import { sharesOf } from './shares.ts';

const USAGE = `usage: npm run model -- [--operations COUNT] [--seed NUMBER] [--format NAME]

Does random operations to images of every combination of options and compares them with plain
bytes. Equal seeds give equal operations. Exit code 1 when an image differs; the shortest sequence
that shows it is printed.
  --operations COUNT  how many at least (default 2000000)
  --seed NUMBER       where to begin (default: by the clock)
  --format NAME       only images of this format (default: all)
`;

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '2000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    format: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function main(): number {
  const operations = Number(values.operations);
  const seed = Number(values.seed);
  if (values.help || !(operations > 0) || !Number.isSafeInteger(seed)) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  process.stdout.write(`seed ${seed}\n`);
  const subjects = allSubjects().filter(({ format }) => (values.format ?? format) === format);
  if (subjects.length === 0) throw new Error('there is no such format');
  const shares = sharesOf(subjects, operations);
  const counts = new OperationCounts();
  let failures = 0;
  for (const [index, subject] of subjects.entries()) {
    try {
      runModel(subject, { operations: shares[index]!, seed }, counts);
      process.stderr.write(`${counts.total} operations, ${subject.name}\n`);
    } catch (error) {
      failures += 1;
      const { message, cause } = error as Error;
      process.stdout.write(`${subject.name}: ${message}\n${inspect(cause)}\n`);
    }
  }
  process.stdout.write(`${counts} on ${subjects.length} subjects, ${failures} failed\n`);
  return failures === 0 ? 0 : 1;
}

process.exitCode = main();
