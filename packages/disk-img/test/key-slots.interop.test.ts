import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const scratch = mkdtempSync(join(tmpdir(), 'disk-img-slots-'));
const bin = join(scratch, 'bin');
mkdirSync(bin);
symlinkSync(join(import.meta.dirname, '../bin/disk-img.js'), join(bin, 'qemu-img'));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const SECRETS = ['zero', 'one', 'two'].flatMap((text) => [
  '--object',
  `secret,id=${text},data=${text}`,
]);

function run(program: string, args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: scratch,
    input,
    encoding: 'utf8',
  });
  return { status, text: stdout + stderr };
}

function create(format: string, prefix: string): void {
  const luks = format === 'luks' ? '' : `${prefix}format=luks,`;
  const options = `${luks}${prefix}key-secret=zero,${prefix}iter-time=10`;
  const args = ['create', '-q', ...SECRETS, '-f', format, '-o', options, format, '1M'];
  expect(run(join(bin, 'qemu-img'), args)).toEqual({ status: 0, text: '' });
}

/** @returns what was said, without the program's name; empty when it was done */
function amend(format: string, passphrase: string, options: string, ...more: string[]): string {
  const prefix = format === 'luks' ? '' : 'encrypt.';
  const source = `driver=${format},file.filename=${format},${prefix}key-secret=${passphrase}`;
  const list = options.replaceAll(/(^|,)/g, `$1${prefix}`);
  const args = ['amend', ...SECRETS, '--image-opts', source, '-o', list, ...more];
  const { status, text } = run(join(bin, 'qemu-img'), args);
  expect(status).toBe(text === '' ? 0 : 1);
  return text.replace(/^qemu-img: /, '').trimEnd();
}

/** Whether the genuine tool opens the image, and what key slots it finds in use. */
function genuine(format: string, passphrase: string): string {
  const prefix = format === 'luks' ? '' : 'encrypt.';
  const source = `driver=${format},file.filename=${format},${prefix}key-secret=${passphrase}`;
  const compared = run('qemu-img', ['dd', ...SECRETS, '--image-opts', `if=${source}`, 'of=copy']);
  if (compared.status !== 0) return 'refused';
  const { text } = run('qemu-img', ['info', ...SECRETS, '--image-opts', source]);
  return [...text.matchAll(/\[(\d)\]:\n\s+active: true/g)].map(([, slot]) => slot).join(' ');
}

describe.each([
  ['luks', ''],
  ['qcow2', 'encrypt.'],
])('key slots of %s', (format, prefix) => {
  it('are filled and erased, as the genuine tool finds', () => {
    create(format, prefix);
    expect(amend(format, 'zero', 'state=active,new-secret=one,iter-time=10')).toBe('');
    expect(amend(format, 'one', 'state=active,new-secret=two,iter-time=10,keyslot=6')).toBe('');
    expect(genuine(format, 'two')).toBe('0 1 6');
    expect(amend(format, 'two', 'state=inactive,keyslot=0')).toBe('');
    expect(genuine(format, 'zero')).toBe('refused');
    expect(amend(format, 'two', 'state=inactive,old-secret=one')).toBe('');
    expect(genuine(format, 'two')).toBe('6');
    expect(amend(format, 'two', 'state=inactive,keyslot=6')).toContain('the only active keyslot 6');
    expect(amend(format, 'two', 'state=inactive,old-secret=two')).toMatch(
      /^All the active keyslots/,
    );
    expect(amend(format, 'two', 'state=active')).toBe(
      "'new-secret' is required to activate a keyslot",
    );
    expect(amend(format, 'two', 'state=active,new-secret=one,keyslot=9')).toBe(
      'Invalid keyslot 9 specified, must be between 0 and 7',
    );
    expect(amend(format, 'two', 'state=inactive,old-secret=two', '--force')).toBe('');
    expect(genuine(format, 'two')).toBe('refused');
  });
});

const hasCryptsetup = spawnSync('cryptsetup', ['--version']).status === 0;

it.skipIf(!hasCryptsetup)('are what cryptsetup opens', () => {
  create('luks', '');
  expect(amend('luks', 'zero', 'state=active,new-secret=one,iter-time=10,keyslot=3')).toBe('');
  const opens = (passphrase: string) =>
    run('cryptsetup', ['open', '--test-passphrase', '--key-file', '-', 'luks'], passphrase).status;
  expect([opens('zero'), opens('one'), opens('two')]).toEqual([0, 0, 2]);
  expect(amend('luks', 'one', 'state=inactive,old-secret=zero')).toBe('');
  expect([opens('zero'), opens('one')]).toEqual([2, 0]);
  expect(run('cryptsetup', ['luksDump', 'luks']).text).toMatch(
    /Key Slot 0: DISABLED[^]*Key Slot 3: ENABLED/,
  );
});
