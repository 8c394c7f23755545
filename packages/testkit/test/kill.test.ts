import { expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { runKills } from '../src/index.ts';

/** A sample; `npm run kill` does it 200 times. */
const KILLS = Number(process.env['KILLS'] ?? 20);
const SCRIPT = fileURLToPath(new URL('../dist/kill/writer-process.js', import.meta.url));

it('a writer that is killed leaves an image that holds what it had flushed', async () => {
  const report = await runKills({ kills: KILLS, seed: 1, script: SCRIPT });
  const { operations, flushes, violations } = report;
  expect(violations).toEqual([]);
  expect(flushes).toBeGreaterThan(KILLS);
  process.stdout.write(`${KILLS} kills after ${operations} operations, ${flushes} durable ones\n`);
}, 600_000);
