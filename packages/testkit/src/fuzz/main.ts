/** `npm run fuzz -- TARGET --time SECONDS --seed NUMBER`: mutated images against the readers. */
import { parseArgs } from 'node:util';
import { loadFailure } from './failure-store.ts';
import { runInput } from './run-input.ts';
import { superviseFuzzing } from './supervisor.ts';
import { loadTarget, TARGET_NAMES } from './targets/index.ts';

const USAGE = `usage: npm run fuzz -- TARGET [--time SECONDS] [--seed NUMBER] [--inputs COUNT]
       npm run fuzz -- --replay FILE

TARGET is one of ${TARGET_NAMES.join(', ')}, or all.
  --time SECONDS   how long each target is fuzzed (default 60)
  --seed NUMBER    equal seeds give equal inputs (default 1)
  --inputs COUNT   stop after so many inputs of each target
  --replay FILE    run one saved input again and show how it fails
Failing inputs are saved under ./fuzz-failures/TARGET. Exit code 1 when there are any.
`;

const FOLDER = 'fuzz-failures';

const OPTIONS = {
  time: { type: 'string', default: '60' },
  seed: { type: 'string', default: '1' },
  inputs: { type: 'string', default: String(Number.MAX_SAFE_INTEGER) },
  replay: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const [name] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.replay !== undefined) return await replay(values.replay);
  const milliseconds = Number(values.time) * 1000;
  const seed = Number(values.seed);
  const maxInputs = Number(values.inputs);
  const names = name === 'all' ? TARGET_NAMES : TARGET_NAMES.filter((known) => known === name);
  if (names.length === 0 || !(milliseconds > 0) || !Number.isInteger(seed) || !(maxInputs > 0)) {
    process.stderr.write(USAGE);
    return 2;
  }
  let failures = 0;
  for (const target of names) {
    const options = { target, seed, milliseconds, maxInputs, folder: FOLDER };
    const totals = await superviseFuzzing(options);
    failures += totals.failures;
    process.stdout.write(`${target}: ${totals.inputs} inputs, ${totals.failures} failures\n`);
  }
  return failures > 0 ? 1 : 0;
}

async function replay(path: string): Promise<number> {
  const { target: name, bytes, choices } = loadFailure(path);
  const { refused, failure } = await runInput(await loadTarget(name), bytes, choices);
  if (failure === undefined) {
    process.stdout.write(`${name}: no failure${refused ? ' (refused)' : ''}\n`);
    return 0;
  }
  process.stdout.write(`${name}: ${failure.kind}: ${failure.stack ?? failure.message}\n`);
  return 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  // parseArgs throws TypeErrors with a code; those are the user's.
  if (!(error instanceof TypeError && 'code' in error)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
