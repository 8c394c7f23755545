/** Images of every format under the same commands, beside qemu-io: equal words, equal disks. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Said, Twins } from './support/twins.ts';

const FORMATS = ['raw', 'vpc', 'vhdx', 'vmdk', 'vdi', 'parallels', 'qed', 'qcow', 'luks'];
const SECRET = ['--object', 'secret,id=s,data=abc'];

const COMMANDS: readonly string[] = [
  ['info', 'map', 'alloc 0', 'alloc 0 16M', 'length', 'read -P 0 0 64k'],
  [
    'write -P 1 0 64k',
    'write -P 2 1M 3000',
    'read -P 2 1M 3000',
    'read -v 1M 32',
    'write -P 3 5M 128k',
    'map',
    'alloc 1M 64k',
    'alloc 0 16M',
  ],
  [
    'write -z 0 32k',
    'write -z 2M 64k',
    'write -zu 1M 512',
    'write -zn 4M 64k',
    'write -zn 100 3',
    'map',
    'discard 0 64k',
    'discard 1M 1000',
    'discard 15M 2M',
    'discard 0 16M',
    'map',
    'read -P 0 0 32k',
    'info',
  ],
  ['read 16M 512', 'read 16776704 1024', 'write 16M 512', 'write -z 16M 1', 'discard 20M 1'],
  [
    'aio_write -P 5 3M 64k',
    'aio_flush',
    'aio_read -P 5 3M 64k',
    'aio_flush',
    'aio_write -z 3M 64k',
    'aio_flush',
    'aio_read -P 0 3M 64k',
    'aio_flush',
    'writev -P 7 5M 512 1024 2k',
    'readv -P 7 5M 1k 512 2k',
    'flush',
  ],
  ['write -c 0 64k', 'write -c 64k 1k', 'write -b 0 512', 'read -b 0 512', 'write -b 100 1'],
  ['reopen -r', 'write 0 512', 'reopen -w', 'write 0 512', 'reopen -o foo=bar', 'read 0 512'],
  ['truncate 32M', 'length', 'truncate 8M', 'truncate 1000', 'length'],
  ['truncate -m falloc 64M', 'truncate -m full 65M', 'truncate -m metadata 66M', 'length'],
].flat();
const READ_ONLY = [
  'write 0 512',
  'discard 0 512',
  'truncate 1M',
  'write -z 0 512',
  'write -c 0 64k',
  'aio_write 0 512',
  'flush',
  'map',
];

/** Without what is made up anew in each image, and names of nodes. */
function comparable({ stdout, stderr, ...ended }: Said): Said {
  return {
    ...ended,
    stdout: stdout.replaceAll(/cid: \d+/g, 'cid: X'),
    stderr: stderr.replaceAll(/#block\d+/g, 'NODE'),
  };
}

describe.skipIf(!haveTools('qemu-io', 'qemu-img'))('images of every format', () => {
  const twins = new Twins();

  beforeAll(() => {
    for (const format of FORMATS) {
      const options = format === 'luks' ? [...SECRET, '-o', 'key-secret=s,iter-time=10'] : [];
      twins.img('create', '-q', '-f', format, ...options, format, '16M');
    }
    twins.reset();
  });
  afterAll(() => twins.remove());

  function argsOf(format: string, commands: readonly string[]): string[] {
    const given = commands.flatMap((command) => ['-c', command]);
    if (format !== 'luks') return [...given, '-f', format, format];
    const graph = 'driver=luks,key-secret=s,file.filename=luks';
    return [...given, ...SECRET, '--image-opts', graph];
  }

  function compare(
    format: string,
    commands: readonly string[],
    more: readonly string[] = [],
  ): void {
    const args = [...more, ...argsOf(format, commands)];
    const ours = comparable(twins.ours(args));
    expect.soft(ours, args.join(' ')).toEqual(comparable(twins.theirs(args)));
  }

  it.each(FORMATS)('says and does the same of %s', (format) => {
    compare(format, COMMANDS);
    compare(format, READ_ONLY, ['-r']);
    compareDisks(format);
  });

  /** The same bytes, in as much of the file, and sound. */
  function compareDisks(format: string): void {
    if (format === 'luks') return;
    const [theirs, ours] = ['theirs', 'ours'].map((side) => join(twins.path, side, format));
    const run = (...args: string[]) => execFileSync('qemu-img', args, { encoding: 'utf8' });
    expect(run('compare', '-f', format, '-F', format, theirs!, ours!)).toBe(
      'Images are identical.\n',
    );
    const checked = (path: string) => spawnSync('qemu-img', ['check', '-f', format, path]).status;
    expect(checked(ours!)).toBe(checked(theirs!));
    const map = (path: string) =>
      spawnSync('qemu-img', ['map', '-f', format, path], { encoding: 'utf8' }).stdout.replaceAll(
        path,
        'IMAGE',
      );
    expect(map(ours!)).toBe(map(theirs!));
  }
});
