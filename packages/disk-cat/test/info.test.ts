import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GUEST, IMAGES, jsonLines, run, scratch, succeed } from './support/run.ts';

interface Expected {
  readonly format: string;
  readonly virtualSize: number;
}

const expected = JSON.parse(readFileSync(join(IMAGES, 'expected.json'), 'utf8')) as Record<
  string,
  Expected
>;
const image = (name: string) => join(IMAGES, name);

describe('disk-info', () => {
  it('describes the guest for people', async () => {
    const { stdout } = await succeed('disk-info', [GUEST]);
    expect(stdout).toMatch(/^image: .*debian-guest\.qcow2\n {2}format: +qcow2\n/);
    expect(stdout).toContain('118 MiB (123731968 bytes)\n');
    expect(stdout).toMatch(/^partition table: gpt, sectors of 512 bytes, disk id [0-9a-f-]{36}$/m);
    expect(stdout).toMatch(/^ {2}\/dev\/sda3 +22020096 +96M +Linux root \(x86-64\) +root +-$/m);
    expect(stdout).toMatch(/^ {2}\/dev\/sda3 +ext4 +root +[0-9a-f-]{36} +96M +6\.1M$/m);
  });

  it.each(Object.keys(expected))('describes %s as qemu-img does, in JSON', async (name) => {
    const { stdout } = await run('disk-info', ['--json', image(name)]);
    const info = JSON.parse(stdout) as Record<string, unknown>;
    expect(info).toMatchObject({
      path: image(name),
      format: expected[name]!.format,
      virtualSizeBytes: expected[name]!.virtualSize,
    });
    expect(Object.keys(info)).toEqual([
      'path',
      'format',
      'virtualSizeBytes',
      'allocatedBytes',
      'chain',
      'partitionTable',
      'filesystems',
      'warnings',
    ]);
  });

  it('shows chains, snapshots, bitmaps and encryption', async () => {
    const chain = await succeed('disk-info', [image('backing/shorter.qcow2')]);
    expect(chain.stdout.match(/^backing image \d: /gm)).toEqual([
      'backing image 1: ',
      'backing image 2: ',
    ]);
    const snapshots = await succeed('disk-info', [image('snapshot.qcow2')]);
    expect(snapshots.stdout).toMatch(/^ {4}2 +second state +2026-01-02T00:00:00Z +3\.0M +0$/m);
    const bitmaps = await succeed('disk-info', [image('bitmap.qcow2')]);
    expect(bitmaps.stdout).toMatch(/^ {2}bitmaps:\n {4}name +granularity +flags\n/m);
    const luks = await succeed('disk-info', [image('luks.qcow2')]);
    expect(luks.stdout).toContain(
      'encryption:            method luks; locked yes; iv generator plain64;',
    );
    expect(luks.stdout).toContain('content: encrypted; --key-file opens it\n');
    const json = await succeed('disk-info', ['--json', image('luks.qcow2')]);
    expect(JSON.parse(json.stdout)).toMatchObject({ partitionTable: null, filesystems: null });
  });

  it('opens a snapshot', async () => {
    const args = ['--json', '--snapshot', 'first', image('snapshot.qcow2')];
    expect(JSON.parse((await succeed('disk-info', args)).stdout)).toMatchObject({
      virtualSizeBytes: 2097664,
    });
    const none = await run('disk-info', ['--snapshot', 'third', image('snapshot.qcow2')]);
    expect([none.code, none.stdout]).toEqual([1, '']);
    expect(none.stderr).toContain('first');
  });

  it('shows what it can when a backing file is out of bounds', async () => {
    const directory = scratch();
    mkdirSync(join(directory, 'sub'));
    copyFileSync(image('backing/overlay.qcow2'), join(directory, 'sub/overlay.qcow2'));
    const overlay = join(directory, 'sub/overlay.qcow2');
    const missing = await run('disk-info', ['--json', overlay]);
    expect(missing.code).toBe(1);
    expect(jsonLines(missing.stderr)).toMatchObject([{ error: { code: 'not-found' } }]);
    expect(JSON.parse(missing.stdout)).toMatchObject({
      chain: [{ path: overlay, backing: { name: 'base.qcow2', format: 'qcow2' } }],
      partitionTable: null,
    });
    const alone = await succeed('disk-info', ['--no-backing', overlay]);
    expect(alone.stdout).toContain('backing file:          base.qcow2 (qcow2)\n');
    expect(alone.stdout).not.toContain('partition table');
  });

  it('describes several images, and stops at none', async () => {
    const { stdout } = await succeed('disk-info', [image('dirty.qcow2'), image('aes.qcow2')]);
    expect(stdout.match(/^image: /gm)?.length).toBe(2);
  });
});
