import { afterAll, describe, expect, it } from 'vitest';
import { Faults, qcow2Subjects, runOverlapping, runOverlappingCrashes } from '../src/index.ts';

const REQUESTS = 64;
const ROUNDS = Number(process.env['OVERLAP_ROUNDS'] ?? 4);
const SEED = Number(process.env['OVERLAP_SEED'] ?? 1);
const subjects = qcow2Subjects().filter(({ clusterBytes }) => clusterBytes <= 16 * 1024);

describe('requests in flight on several handles take effect in the order they came', () => {
  let requests = 0;
  let reads = 0;

  it.each(subjects.map((subject) => [subject.name, subject] as const))('%s', async (_, subject) => {
    const options = { seed: SEED, rounds: ROUNDS, requests: REQUESTS };
    const report = await runOverlapping(subject, options);
    expect(report.reads).toBeGreaterThan(0);
    requests += report.requests;
    reads += report.reads;
  });

  afterAll(() => {
    process.stdout.write(
      `overlapping, seed ${SEED}: ${requests} writing requests and ${reads} reads, ` +
        `${REQUESTS} in flight\n`,
    );
  });
});

describe('requests in flight on a host that fails end, and damage nothing', () => {
  it.each(subjects.slice(0, 12).map((subject) => [subject.name, subject] as const))(
    '%s',
    async (_, subject) => {
      let failures = 0;
      for (const failAt of [20, 90, 300]) {
        const faults = new Faults({ failAt, errno: 'EIO', lasting: failAt === 90 });
        const options = { seed: SEED + failAt, rounds: 2, requests: REQUESTS, faults };
        failures += (await runOverlapping(subject, options)).failures;
      }
      expect(failures).toBeGreaterThan(0);
    },
  );
});

describe('a loss of power while requests are in flight loses nothing that was flushed', () => {
  const small = subjects.filter(({ clusterBytes }) => clusterBytes === 512);
  let states = 0;

  it.each(small.map((subject) => [subject.name, subject] as const))('%s', async (_, subject) => {
    const options = { seed: SEED, rounds: 1, requests: 40, statesPerPoint: 2 };
    const report = await runOverlappingCrashes(subject, options);
    expect(report.violations).toEqual([]);
    expect(report.points).toBeGreaterThan(50);
    states += report.states;
  });

  afterAll(() => {
    process.stdout.write(`crash with requests in flight, seed ${SEED}: ${states} states\n`);
  });
});
