/** Failures that `blkdebug` injects, beside qemu-io: what fails, and what the image is like after it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { haveTools } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Twins } from './support/twins.ts';

/** All that such requests come to. */
const EVENTS = [
  'l1_update',
  'l1_grow_alloc_table',
  'l2_load',
  'l2_update',
  'l2_alloc_cow_read',
  'l2_alloc_write',
  'read_aio',
  'read_backing_aio',
  'read_compressed',
  'write_aio',
  'write_compressed',
  'cow_read',
  'cow_write',
  'reftable_load',
  'refblock_load',
  'refblock_update_part',
  'refblock_alloc',
  'refblock_alloc_hookup',
  'cluster_alloc',
  'cluster_free',
  'flush_to_os',
  'flush_to_disk',
  'pwritev',
  'pwritev_zero',
  'pwritev_done',
  'cluster_alloc_space',
  'none',
];

const LASTING: ReadonlySet<string> = new Set([
  'cluster_alloc',
  'l2_load',
  'l2_update',
  'write_aio',
  'refblock_alloc',
  'none',
]);

const COMMANDS = [
  'read 0 64k',
  'read 1M 64k',
  'write -P 2 32M 512',
  'write -P 3 0 128k',
  'write 4k 4k',
  'flush',
].flatMap((command) => ['-c', command]);

const SCRIPTS = [
  'break write_aio A\naio_write 0 64k\nwait_break A\nlength\nresume A\naio_flush\n',
  'break nope A\nbreak write_aio A\nremove_break B\nremove_break A\nresume A\n',
  'break write_aio A\naio_write 0 64k\nwait_break A\nremove_break A\naio_flush\nread -P 0xcd 0 64k\n',
  'break cow_read A\naio_write -P 1 1028k 4k\nwait_break A\nresume A\naio_flush\nread -P 1 1028k 4k\n',
  'break flush_to_os A\naio_write 0 64k\nwait_break A\nresume A\naio_flush\n',
];

describe.skipIf(!haveTools('qemu-io', 'qemu-img'))('blkdebug beside qemu-io', () => {
  const twins = new Twins();

  beforeAll(() => {
    twins.img('create', '-q', '-f', 'qcow2', 'd', '64M');
    twins.io('-c', 'write -P 1 0 64k', '-c', 'write -c 1M 64k', 'd');
  });
  afterAll(() => twins.remove());

  function compare(args: readonly string[], input?: string): void {
    const said = { ours: twins.ours(args, input), theirs: twins.theirs(args, input) };
    expect.soft(said.ours, args.join(' ')).toEqual(said.theirs);
  }

  /** What a check finds, without what does not matter here: how much is in use. */
  function checked(side: string): string {
    const { stdout } = spawnSync('qemu-img', ['check', join(twins.path, side, 'd')], {
      encoding: 'utf8',
    });
    return stdout.replaceAll(/^.*(?: = |Image end offset).*$/gm, '');
  }

  it.each(EVENTS)('fails the same requests at %s', (event) => {
    // Whether failures go on is not a question of the event.
    for (const once of LASTING.has(event) ? ['on', 'off'] : ['on']) {
      const rule = `[inject-error]\nevent = "${event}"\nerrno = "5"\nonce = "${once}"\n`;
      writeFileSync(join(twins.path, 'template/config'), rule);
      twins.reset();
      compare([...COMMANDS, 'blkdebug:config:d']);
      expect.soft(checked('ours'), `${event} ${once}`).toBe(checked('theirs'));
    }
  });

  it('picks requests by place, kind and state', () => {
    for (const options of [
      'inject-error.0.event=write_aio,inject-error.0.errno=28,inject-error.0.once=on',
      'inject-error.0.event=none,inject-error.0.iotype=flush',
      'inject-error.0.event=write_aio,inject-error.0.iotype=read',
      'inject-error.event=read_aio,inject-error.sector=640',
      'set-state.0.event=read_aio,set-state.0.new_state=2,inject-error.0.event=write_aio,inject-error.0.state=2',
      'align=4096',
      'align=7',
      'opt-write-zero=3',
      'max-transfer=512',
      'config=nosuch',
      'inject-error.0.event=foo',
      'inject-error.0.errno=5',
      'inject-error.1.event=read_aio',
    ]) {
      twins.reset();
      const blkdebug = options.split(',').map((option) => `file.${option}`);
      const graph = ['driver=qcow2,file.driver=blkdebug,file.image.filename=d', ...blkdebug];
      compare(['-c', 'read 0 512', '-c', 'write 0 512', '--image-opts', graph.join(',')]);
    }
  });

  it('stops requests and lets them go on', () => {
    for (const script of SCRIPTS) {
      twins.reset();
      const args = script
        .trim()
        .split('\n')
        .flatMap((command) => ['-c', command]);
      compare([...args, 'blkdebug::d']);
      expect(
        execFileSync('qemu-img', ['check', join(twins.path, 'ours/d')], { encoding: 'utf8' }),
      ).toMatch(/No errors/);
    }
  });
});
