import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  commandPath,
  GUEST,
  IMAGES,
  jsonLines,
  run,
  scratch,
  shell,
  succeed,
} from './support/run.ts';

const COMMANDS: Record<string, readonly string[]> = {
  'disk-cat': ['IMAGE', '/etc/hostname'],
  'disk-cp': ['IMAGE:/etc/hostname', '/dev/shm/never-written'],
  'disk-df': ['IMAGE'],
  'disk-filesystems': ['IMAGE'],
  'disk-info': ['IMAGE'],
  'disk-ls': ['IMAGE', '/'],
  'disk-tar': ['IMAGE', '/'],
};
const names = Object.keys(COMMANDS);
const on = (command: string, image: string) =>
  COMMANDS[command]!.map((operand) => operand.replace('IMAGE', image));
const { version } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'),
) as { version: string };

describe.each(names)('%s', (command) => {
  it('has help with examples and exit codes, and a version', async () => {
    const { stdout } = await succeed(command, ['--help']);
    expect(stdout).toMatch(new RegExp(`^Usage: ${command} `));
    for (const part of ['--format', '--snapshot', '--allow-backing', '--json', 'Exit codes:']) {
      expect(stdout).toContain(part);
    }
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect((await succeed(command, ['--version'])).stdout).toBe(`${command} ${version}\n`);
  });

  it('refuses a wrong command line with one line and code 2', async () => {
    for (const args of [['--frobnicate', GUEST], [], ['--format']]) {
      const { code, stdout, stderr } = await run(command, args);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(new RegExp(`^${command}: [^\n]+\\. Try --help\\.\n$`));
    }
    const json = await run(command, ['--json', '--frobnicate', GUEST]);
    expect([json.code, jsonLines(json.stderr)]).toMatchObject([
      2,
      [{ command, error: { code: 'usage' } }],
    ]);
  });

  it('refuses what is no image with one line and code 1', async () => {
    const directory = scratch();
    const missing = await run(command, on(command, join(directory, 'none.qcow2')));
    expect([missing.code, missing.stdout]).toEqual([1, '']);
    expect(missing.stderr).toMatch(new RegExp(`^${command}: [^\n]*none\\.qcow2[^\n]*\n$`));
    const broken = join(directory, 'broken.qcow2');
    writeFileSync(broken, readFileSync(GUEST).subarray(0, 60));
    const { code, stderr } = await run(command, ['--json', ...on(command, broken)]);
    expect([code, jsonLines(stderr)]).toMatchObject([
      1,
      [{ command, error: { name: 'DiskError', code: 'corrupt', context: { path: broken } } }],
    ]);
    const unknown = await run(command, ['--format', 'vhdx2', ...on(command, GUEST)]);
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('Known formats')]);
  });

  it('opens a backing file elsewhere only when that is allowed', async () => {
    const { overlay, elsewhere } = overlayWithBase();
    const denied = await run(command, ['--json', ...on(command, overlay)]);
    expect([denied.code, jsonLines(denied.stderr)]).toMatchObject([
      1,
      [{ error: { code: 'denied', hint: expect.stringContaining('--allow-backing') } }],
    ]);
    for (const allow of [elsewhere, 'any']) {
      const allowed = await run(command, [
        '--json',
        '--allow-backing',
        allow,
        ...on(command, overlay),
      ]);
      // The payload of that chain is no guest, so more than opening it cannot succeed.
      expect(allowed.stderr).not.toContain('denied');
    }
  });
});

/** `overlay.qcow2` names its backing file by an absolute path in another directory. */
function overlayWithBase() {
  const directory = scratch();
  const elsewhere = join(directory, 'e');
  mkdirSync(elsewhere);
  mkdirSync(join(directory, 'images'));
  copyFileSync(join(IMAGES, 'backing/base.qcow2'), join(elsewhere, 'base.qcow2'));
  const overlay = join(directory, 'images/overlay.qcow2');
  const bytes = readFileSync(join(IMAGES, 'backing/overlay.qcow2'));
  // The name lies between the header extensions and the end of the first cluster.
  const name = join(elsewhere, 'base.qcow2');
  bytes.write(name, Number(bytes.readBigUInt64BE(8)), 'latin1');
  bytes.writeUInt32BE(name.length, 16);
  writeFileSync(overlay, bytes);
  return { overlay, elsewhere };
}

describe('errors', () => {
  it('are explained by --verbose, with traces in terms of the sources', async () => {
    const { stderr } = await run('disk-cat', ['--verbose', GUEST, '/nope']);
    expect(stderr).toContain('\n  code: not-found (filesystem.not-found, ENOENT)\n');
    expect(stderr).toMatch(/\n {6}at .*packages\/disk-cat\/src\/disk-cat\.ts:\d+/);
    const { stderr: short } = await run('disk-cat', [GUEST, '/nope']);
    expect(short.split('\n').length).toBe(2);
  });

  it('keep to one line and to printable characters', async () => {
    const { stderr } = await run('disk-cat', [GUEST, '/a\nb\x1b[31m\u202e']);
    expect(stderr).toMatch(/^disk-cat: [^\n]*\/a\\x0ab\\x1b\[31m\\u\{202e\}[^\n]*\n$/);
  });

  it('of encrypted images name what is needed', async () => {
    const { code, stderr } = await run('disk-ls', [join(IMAGES, 'luks.qcow2'), '/']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/encrypted \(LUKS\).*its key/)]);
  });

  it('of encrypted images go away with the right key', async () => {
    const key = join(scratch(), 'key');
    const expected = JSON.parse(readFileSync(join(IMAGES, 'expected.json'), 'utf8')) as Record<
      string,
      { passphrase?: string }
    >;
    writeFileSync(key, expected['luks.qcow2']!.passphrase!);
    const right = await run('disk-info', ['--key-file', key, join(IMAGES, 'luks.qcow2')]);
    expect([right.code, right.stdout]).toEqual([0, expect.stringContaining('locked no')]);
    writeFileSync(key, 'wrong');
    const wrong = await run('disk-info', ['--key-file', key, join(IMAGES, 'luks.qcow2')]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('Invalid password')]);
  });

  it('say that images cannot be streams or URLs', async () => {
    const { code, stderr } = await run('disk-cat', ['-', '/etc/passwd']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('standard input')]);
    const url = await run('disk-cat', ['http://127.0.0.1/x.qcow2', '/etc/passwd']);
    expect([url.code, url.stderr]).toEqual([2, expect.stringContaining('is a URL')]);
  });

  it.runIf(existsSync('/dev/full'))('of a full disk are told', async () => {
    const full = await shell('"$@" > /dev/full', [
      'bash',
      process.execPath,
      commandPath('disk-cat'),
      GUEST,
      '/etc/os-release',
    ]);
    expect([full.code, full.stderr]).toEqual([
      1,
      'disk-cat: Cannot write standard output: no space is left. Make room.\n',
    ]);
  });
});
