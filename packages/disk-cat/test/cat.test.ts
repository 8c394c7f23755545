import { createHash } from 'node:crypto';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readManifest } from '@diskfile/testkit';
import {
  commandPath,
  GUEST,
  HOSTILE,
  IMAGES,
  run,
  scratch,
  shell,
  start,
  succeed,
} from './support/run.ts';

const manifest = readManifest(join(IMAGES, 'debian-guest.manifest.jsonl'));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('disk-cat', () => {
  it('prints the file that the README promises', async () => {
    const { stdout, stderr } = await succeed('disk-cat', [GUEST, '/etc/os-release']);
    expect(stdout).toContain('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n');
    expect(stderr).toBe('');
  });

  it('prints files as they are, one after another, across mounts and holes', async () => {
    const files = manifest.filter(({ path, type }) => type === 'file' && path.startsWith('/boot/'));
    expect(files.length).toBeGreaterThan(4);
    for (const { path, sha256: expected } of files) {
      const { bytes } = await succeed('disk-cat', [GUEST, path]);
      expect([path, sha256(bytes)]).toEqual([path, expected]);
    }
    const one = await succeed('disk-cat', [GUEST, '/etc/hostname']);
    const two = await succeed('disk-cat', [GUEST, 'etc/hostname', '/etc/hostname']);
    expect(two.stdout).toBe(one.stdout + one.stdout);
  });

  it('takes names that are no UTF-8', async () => {
    const { path, sha256: expected } = manifest.find(
      (entry) => /[\udc80-\udcff]/.test(entry.path) && entry.type === 'file',
    )!;
    // A shell passes bytes, which spawn() cannot: printf makes them.
    const escaped = [...path].map((character) => {
      const code = character.codePointAt(0)!;
      return code >= 0xdc80 && code <= 0xdcff ? `\\${(code - 0xdc00).toString(8)}` : character;
    });
    const script = `exec "$0" "$1" "$2" "$(printf '${escaped.join('')}')"`;
    const { bytes } = await shell(script, [process.execPath, commandPath('disk-cat'), GUEST]);
    expect(sha256(bytes)).toBe(expected);
  });

  it('mounts by hand', async () => {
    const hidden = '/boot/hidden-by-the-mount';
    expect((await run('disk-cat', [GUEST, hidden])).code).toBe(1);
    expect((await succeed('disk-cat', ['-m', '/dev/sda3', GUEST, hidden])).bytes.length) //
      .toBeGreaterThan(0);
    const mounted = await succeed('disk-cat', [
      '-m',
      '/dev/sda2:/mnt',
      '--mount=LABEL=root',
      GUEST,
      '/mnt/grub/grub.cfg',
    ]);
    const followed = await succeed('disk-cat', [GUEST, '/boot/grub/grub.cfg']);
    expect(mounted.stdout).toBe(followed.stdout);
  });

  it('goes on after a file that cannot be printed, and fails', async () => {
    const { code, stdout, stderr } = await run('disk-cat', [
      GUEST,
      '/nope',
      '/etc',
      '/etc/hostname',
    ]);
    expect(code).toBe(1);
    expect(stdout).toBe((await succeed('disk-cat', [GUEST, '/etc/hostname'])).stdout);
    expect(stderr.split('\n')).toEqual([
      'disk-cat: No such file or directory in the guest (guest path /nope). disk-ls shows what is there.',
      'disk-cat: The guest path is a directory (guest path /etc). List it with disk-ls, or copy it with disk-cp -r.',
      '',
    ]);
  });

  it('says when a path lies below a mount that is missing', async () => {
    const { code, stderr } = await run('disk-cat', [GUEST, '/boot/efi/EFI/debian/grub.cfg']);
    expect(code).toBe(1);
    expect(stderr).toContain('warning: /boot/efi is not mounted: /dev/sda1: There is a vfat here');
    const quiet = await run('disk-cat', ['-q', GUEST, '/boot/efi/x']);
    expect(quiet.stderr).not.toContain('warning');
  });

  it('is quiet when its reader goes away, and shells see SIGPIPE', async () => {
    const script = '"$@" | head -c 1; echo "${PIPESTATUS[0]}" >&2';
    const { stdout, stderr } = await shell(script, [
      'bash',
      process.execPath,
      commandPath('disk-cat'),
      GUEST,
      '/boot/sparse',
    ]);
    expect(stdout.length).toBe(1);
    expect(stderr).toBe('141\n');
  });

  it.each(['disk-cat', 'disk-ls'])(
    'says in one line that help cannot be written: %s',
    async (name) => {
      const script = '"$@" --help > /dev/full; echo "$?" >&2';
      const { stderr } = await shell(script, ['bash', process.execPath, commandPath(name)]);
      expect(stderr).toMatch(/^disk-(?:cat|ls): Cannot write standard output: .*\n(?:.*\n)?1\n$/);
    },
  );

  it('dies of Ctrl-C without a word', async () => {
    const child = start('disk-cat', [GUEST, '/boot/sparse']);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    // The pipe is full after the first bytes, so the command waits with most of the file to go.
    await new Promise((resolve) => child.stdout.once('readable', resolve));
    child.kill('SIGINT');
    const ended = await new Promise((resolve) => {
      child.on('exit', (code, signal) => resolve([code, signal]));
    });
    expect(ended).toEqual([null, 'SIGINT']);
    expect(stderr).toBe('');
  });

  it('waits for a slow reader where the pipe does not block', async () => {
    // The first process leaves the pipe in that state, dying before it can put things right.
    const unblock = 'new (require("net").Socket)({ fd: 1 }); process.kill(process.pid, "SIGKILL")';
    const script = '{ "$1" -e "$0"; "$@"; } 2>/dev/null | { sleep 0.2; cat; }';
    const path = '/boot/initrd.img-6.1.0-0-guest';
    const { bytes } = await shell(script, [
      unblock,
      process.execPath,
      commandPath('disk-cat'),
      GUEST,
      path,
    ]);
    expect(sha256(bytes)).toBe(manifest.find((entry) => entry.path === path)!.sha256);
  });

  it('reads images of every kind', async () => {
    for (const name of ['no-table-ext2', 'mbr-logical', 'gpt-4k', 'gpt-hybrid']) {
      const image = join(IMAGES, `${name}.qcow2`);
      expect((await succeed('disk-cat', [image, '/etc/os-release'])).stdout).toContain('=');
    }
    const directory = scratch();
    symlinkSync(HOSTILE, join(directory, 'link'));
    const { bytes } = await succeed('disk-cat', [join(directory, 'link'), '/plain']);
    expect(bytes.toString()).toBe('from the guest\n');
  });

  it('never takes a raw disk for anything else when told so', async () => {
    const raw = await run('disk-cat', ['--format', 'raw', GUEST, '/etc/os-release']);
    expect(raw.code).toBe(1);
    expect(raw.stderr).toMatch(/^disk-cat: No filesystem of the disk looks like the root/);
    const disk = readFileSync(GUEST);
    expect(disk.subarray(0, 4).toString('latin1')).toBe('QFI\xfb');
  });
});
