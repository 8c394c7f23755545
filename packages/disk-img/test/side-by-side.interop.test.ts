import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filtered } from './support/filters.ts';
import { readScenarios, type Scenario } from './support/scenario.ts';
import { type CommandResult, digests, type Run, runGenuine, runOurs } from './support/side.ts';

const scratch = mkdtempSync(join(tmpdir(), 'disk-img-'));
const tables = join(import.meta.dirname, 'side-by-side');
const differences = readFileSync(join(import.meta.dirname, '../DIFFERENCES.md'), 'utf8');
/** For work on one of them: `SIDE_BY_SIDE=info npx vitest …`. */
const only = process.env['SIDE_BY_SIDE'] ?? '';

const scenarios = readdirSync(tables)
  .toSorted()
  .flatMap((table) => readScenarios(join(tables, table)))
  .filter(({ title }) => title.includes(only));
/** Both sides have the same path but for one letter. */
const runsOf = (side: 'a' | 'b'): Run[] =>
  scenarios.map((scenario, index) => ({ scenario, directory: join(scratch, side, `${index}`) }));
const genuine: CommandResult[][] = [];
let ours: CommandResult[][] = [];

beforeAll(() => {
  ours = runOurs(runsOf('b'));
  for (const run of runsOf('a')) genuine.push(runGenuine(run));
});

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  console.log(`${ours.flat().length} command lines compared`);
});

test.each(scenarios.map((scenario, index) => [scenario.title, index] as const))(
  '%s',
  (_, index) => {
    const scenario = scenarios[index]!;
    compareResults(scenario, genuine[index]!, ours[index]!);
    compareFiles(scenario, join(scratch, 'a', `${index}`), join(scratch, 'b', `${index}`));
  },
);

function compareResults(
  { steps }: Scenario,
  theirs: readonly CommandResult[],
  own: readonly CommandResult[],
): void {
  const lines = steps.filter(({ kind }) => kind === 'compare');
  lines.forEach(({ line, differs }, index) => {
    const [expected, got] = [shown(theirs[index]!), shown(own[index]!)];
    if (differs === undefined) expect.soft(got, line).toBe(expected);
    else {
      expect.soft(got, `${line} is said to differ`).not.toBe(expected);
      expect.soft(differences, `the reason for ${differs}`).toContain(`\`${differs}\``);
    }
  });
}

function shown({ code, stdout, stderr }: CommandResult): string {
  const text = `${filtered(stdout)}--- stderr\n${filtered(stderr)}--- exit ${code}`;
  return text.replaceAll(`${scratch}/b/`, `${scratch}/a/`);
}

function compareFiles({ sameBytes, ignored }: Scenario, theirs: string, own: string): void {
  const [expected, got] = [digests(theirs), digests(own)];
  for (const name of ignored) {
    expected.delete(name);
    got.delete(name);
  }
  expect.soft([...got.keys()]).toEqual([...expected.keys()]);
  for (const [name, digest] of expected) {
    if (!got.has(name) || got.get(name) === digest) continue;
    if (sameBytes.has(name)) expect.soft(`bytes of ${name}`).toBe('the same');
    else expectSameDisk(name, join(theirs, name), join(own, name));
  }
}

function expectSameDisk(name: string, theirs: string, own: string): void {
  const { stdout } = spawnSync('qemu-img', ['compare', theirs, own], { encoding: 'utf8' });
  expect.soft(`${name}: ${stdout}`).toBe(`${name}: Images are identical.\n`);
  const { status } = spawnSync('qemu-img', ['check', own]);
  expect.soft([0, 63], `the check of ${name}`).toContain(status);
}

test('the tool beside which the command is put is there', () => {
  expect(execFileSync('qemu-img', ['--version'], { encoding: 'utf8' })).toContain('version 7.2');
});
