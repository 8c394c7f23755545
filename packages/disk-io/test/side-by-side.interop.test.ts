/** The same command lines with qemu-io and with disk-io: equal words, equal codes, equal disks. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALLS, ENDS, READING, SCRIPTS, SESSIONS, WRITING } from './support/cases.ts';
import { Twins } from './support/twins.ts';

describe.skipIf(!haveTools('qemu-io', 'qemu-img'))('beside qemu-io', () => {
  const twins = new Twins();

  beforeAll(() => {
    twins.img('create', '-q', '-f', 'qcow2', 'd', '1M');
    twins.img('create', '-q', '-f', 'raw', 'flat', '1M');
    twins.io('-f', 'raw', '-c', 'write -P 7 0 1M', 'flat');
    twins.img('create', '-q', '-f', 'qcow2', '-b', 'flat', '-F', 'raw', 'over');
    twins.img('create', '-q', '-f', 'qcow2', 'used', '1M');
    twins.io('-c', 'write -P 1 0 192k', 'used');
    writeFileSync(join(twins.path, 'template/pattern'), 'abcdefgh');
    writeFileSync(join(twins.path, 'template/empty'), '');
  });
  afterAll(() => twins.remove());

  function compare(args: readonly string[], input?: string): void {
    const said = { ours: twins.ours(args, input), theirs: twins.theirs(args, input) };
    expect.soft(said.ours, args.join(' ')).toEqual(said.theirs);
  }

  /** Many commands in one process. When an asynchronous request ends, before a prompt or behind it, is chance. */
  function compareAll(commands: readonly string[], name: string): void {
    const script = commands.map((command) => `${command}\naio_flush\n`).join('');
    const [ours, theirs] = [twins.ours([name], script), twins.theirs([name], script)].map(
      (said) => ({ ...said, stdout: said.stdout.replaceAll('qemu-io> ', '').split('\n') }),
    );
    expect(ours).toEqual(theirs);
  }

  /** Images that hold the same disk and are sound. */
  function compareDisks(name: string): void {
    const [theirs, ours] = ['theirs', 'ours'].map((side) => join(twins.path, side, name));
    const run = (...args: string[]) => execFileSync('qemu-img', args, { encoding: 'utf8' });
    expect(run('compare', theirs!, ours!)).toBe('Images are identical.\n');
    expect(run('check', ours!)).toMatch(/No errors were found/);
  }

  it('says the same of commands that read', () => {
    twins.reset();
    compareAll(READING, 'd');
    expect(twins.digests('d').ours).toBe(twins.digests('d').theirs);
  });

  it.each(WRITING)('says and does the same of commands that write, %#', (...commands) => {
    twins.reset();
    compareAll(commands, 'used');
    compareDisks('used');
  });

  it.each(ENDS)('ends as it does: %s', (command) => {
    twins.reset();
    compare(['-c', command, 'd']);
  });

  it('takes the same arguments', () => {
    twins.reset();
    for (const args of CALLS) compare(args);
  });

  it('does the same in longer sessions', () => {
    for (const args of SESSIONS) {
      twins.reset();
      compare(args);
    }
    compareDisks('d');
  });

  it('does the same with commands from standard input', () => {
    for (const script of SCRIPTS) {
      twins.reset();
      compare(['d'], script);
      compareDisks('d');
    }
  });

  it('explains every command in the same words', () => {
    const { stdout } = twins.theirs(['-c', 'help']);
    const names = [...stdout.matchAll(/^(\w+) .*--/gm)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(25);
    const lines = ['', ...names, ...'rwdfociltaq?'].map((name) => `help ${name}\n`);
    compare([], lines.join(''));
  });

  it('leaves the same places of a qcow2 image in use', () => {
    const script =
      'write 0 64k\nwrite -z 128k 64k\nwrite 64k 128k\ndiscard 0 64k\nwrite 512k 64k\n';
    twins.reset();
    compare(['d'], script);
    const map = (side: string) =>
      execFileSync('qemu-img', ['map', '--output=json', join(twins.path, side, 'd')], {
        encoding: 'utf8',
      });
    expect(JSON.parse(map('ours'))).toEqual(JSON.parse(map('theirs')));
  });
});
