/** Shell scripts, run with qemu-io and with disk-io under its name: every line they print is equal. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Twins, withoutTimes } from './support/twins.ts';

const SCRIPTS = resolve(import.meta.dirname, 'scenarios');

/** Without what depends on the machine or on chance. */
function comparable(text: string): string {
  return withoutTimes(text)
    .replaceAll(/#block\d+/g, 'NODE')
    .replaceAll(/^.*\.sh: line \d+: +\d+ /gm, '')
    .replaceAll(/^.*(?:fragmented|Image end offset|disk size|actual-size).*\n/gm, '');
}

describe.skipIf(!haveTools('qemu-io', 'qemu-img'))('scripts', () => {
  const twins = new Twins();

  beforeAll(() => twins.reset());
  afterAll(() => twins.remove());

  function run(script: string, side: 'ours' | 'theirs'): string {
    const directory = join(twins.path, side, script);
    mkdirSync(directory, { recursive: true });
    const { stdout } = spawnSync('bash', ['-c', 'exec bash "$0" 2>&1', join(SCRIPTS, script)], {
      cwd: directory,
      input: '',
      encoding: 'utf8',
      env: side === 'theirs' ? process.env : twins.environment,
      timeout: 120_000,
    });
    return comparable(stdout.replaceAll(directory, 'DIRECTORY'));
  }

  it.each(readdirSync(SCRIPTS))('print the same: %s', (script) => {
    const theirs = run(script, 'theirs');
    expect(theirs.length).toBeGreaterThan(100);
    expect(run(script, 'ours')).toBe(theirs);
  });
});
