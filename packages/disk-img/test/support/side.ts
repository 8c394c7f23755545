/** The two sides of a comparison: directories in which scenarios were run with one of the tools. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scenario } from './scenario.ts';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A scenario and the directory in which it runs. */
export interface Run {
  readonly scenario: Scenario;
  readonly directory: string;
}

const ENVIRONMENT = { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' };

/** Runs all steps in one shell. @returns the results of those that are compared */
export function runGenuine({ scenario: { steps }, directory }: Run): CommandResult[] {
  const log = `${directory}.log`;
  mkdirSync(directory, { recursive: true });
  mkdirSync(log);
  let index = 0;
  const lines = steps.map(({ kind, line }) => {
    if (kind === 'prepare') return `{ ${line}; } > /dev/null || echo failed: ${quoted(line)} >&2`;
    const at = index;
    index += 1;
    return `( ${line} ) > ${log}/${at}.out 2> ${log}/${at}.err < /dev/null; echo $? > ${log}/${at}.code`;
  });
  const script = join(log, 'script');
  writeFileSync(script, lines.join('\n'));
  const { stderr } = spawnSync('bash', [script], {
    cwd: directory,
    env: ENVIRONMENT,
    encoding: 'utf8',
  });
  if (stderr !== '') throw new Error(stderr);
  return Array.from({ length: index }, (_, at) => ({
    code: Number(readFileSync(join(log, `${at}.code`), 'utf8')),
    stdout: readFileSync(join(log, `${at}.out`), 'latin1'),
    stderr: readFileSync(join(log, `${at}.err`), 'latin1'),
  }));
}

/** The same with our command, for many scenarios in one process. */
export function runOurs(runs: readonly Run[]): CommandResult[][] {
  for (const { directory } of runs) mkdirSync(directory, { recursive: true });
  const input = runs.map(({ scenario, directory }) => ({
    directory,
    steps: scenario.steps.map(({ kind, line }) =>
      kind === 'prepare' ? { kind, line } : { kind, words: words(line, directory) },
    ),
  }));
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, 'run-ours.mjs')],
    { input: JSON.stringify(input), env: ENVIRONMENT, encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as CommandResult[][];
}

/** The words of a line, as a shell has them: quotes are understood, and `$PWD`, and nothing else. */
function words(line: string, directory: string): string[] {
  const found = line.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  return found.map((word) =>
    word.replaceAll('$PWD', directory).replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'),
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Digests of the files of a directory, by name. */
export function digests(directory: string): Map<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();
  const files = names.filter((name) => statSync(join(directory, name)).isFile());
  return new Map(
    files.map((name) => {
      const bytes = readFileSync(join(directory, name));
      return [name, createHash('sha256').update(bytes).digest('hex')];
    }),
  );
}
