/** What the commands do on a terminal, which `script` of util-linux gives them. */
import { haveTools } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { commandPath, GUEST, shell } from './support/run.ts';

/** Runs a command line of the shell with a terminal as its output and errors. */
function onTerminal(line: string) {
  return shell('exec script -qec "$0" /dev/null', [line]);
}

const command = (name: string) => `'${process.execPath}' '${commandPath(name)}'`;

describe.skipIf(!haveTools('script'))('on a terminal', () => {
  it('disk-tar shows its progress unless told not to', async () => {
    const line = `${command('disk-tar')} -q '${GUEST}' /usr`;
    expect((await onTerminal(`${line} > /dev/null`)).stdout).toMatch(/100% \| 2\.\dM of 2\.\dM/);
    expect((await onTerminal(`${line} --no-progress > /dev/null`)).stdout).toBe('');
    expect((await onTerminal(`${line} --json > /dev/null`)).stdout).toBe('');
  });

  it('disk-tar refuses to write an archive there', async () => {
    const { stdout, code } = await onTerminal(`${command('disk-tar')} -q '${GUEST}' /usr`);
    expect(stdout).toMatch(/^disk-tar: an archive is nothing for a terminal; .*\r\n$/);
    expect(code).toBe(2);
  });

  it('disk-ls escapes what names could do', async () => {
    const directory = '/srv/testdata/names';
    const { stdout } = await onTerminal(`${command('disk-ls')} '${GUEST}' ${directory}`);
    const lines = stdout.split('\r\n');
    expect(lines).toContain('new\\x0aline');
    expect(lines).toContain('tab\\x09and\\x01control');
    expect(lines).toContain('latin-1 \\xe9 is not UTF-8');
    expect(lines).toContain('日本語');
  });
});
