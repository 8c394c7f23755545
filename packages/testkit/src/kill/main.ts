/** `npm run kill -- --kills COUNT --seed NUMBER`: writers that are killed at any moment. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { runKills } from './kill-run.ts';

const USAGE = `usage: npm run kill -- [--kills COUNT] [--seed NUMBER]

Kills a process that writes to an image, again and again, and looks at what it leaves; qemu-img
looks as well where it is installed. Exit code 1 when something that was flushed is lost, or an
image is damaged.
  --kills COUNT   how often (default 200)
  --seed NUMBER   equal seeds do equal operations (default 1)
`;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** Exit code 2 is damage; 3 means leaks, which there may be. */
function qemuCheck(path: string): string | undefined {
  const { status, stdout } = spawnSync('qemu-img', ['check', '-f', 'qcow2', path], {
    encoding: 'utf8',
  });
  return status === 0 || status === 3 ? undefined : `qemu-img check: ${stdout}`;
}

async function main(): Promise<number> {
  const kills = Number(values.kills);
  const seed = Number(values.seed);
  if (values.help || !(kills > 0) || !Number.isSafeInteger(seed)) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const hasQemu = spawnSync('qemu-img', ['--version']).error === undefined;
  const options = hasQemu ? { kills, seed, inspect: qemuCheck } : { kills, seed };
  const { operations, flushes, violations } = await runKills(options);
  for (const text of violations) process.stdout.write(`${text}\n`);
  process.stdout.write(
    `seed ${seed}: ${kills} kills after ${operations} operations, ${flushes} of them durable; ` +
      `${violations.length} violations\n`,
  );
  return violations.length === 0 ? 0 : 1;
}

process.exitCode = await main();
