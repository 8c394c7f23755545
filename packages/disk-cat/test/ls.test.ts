import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeName } from '@diskfile/bytes';
import { readManifest } from '@diskfile/testkit';
import { GUEST, HOSTILE, IMAGES, jsonLines, run, succeed } from './support/run.ts';

const manifest = readManifest(join(IMAGES, 'debian-guest.manifest.jsonl'));
const below = (directory: string) =>
  manifest.filter(({ path }) => path.startsWith(`${directory}/`));
const lines = (text: string) => text.split('\n').slice(0, -1);

const LETTERS: Record<string, string> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  character: 'c',
  block: 'b',
  fifo: 'p',
  socket: 's',
};

describe('disk-ls', () => {
  it('lists names, hidden ones when asked', async () => {
    const names = below('/etc/skel').map(({ path }) => path.slice('/etc/skel/'.length));
    expect(names).toContain('.bashrc');
    expect(lines((await succeed('disk-ls', ['-a', GUEST, '/etc/skel'])).stdout)).toEqual(names);
    expect((await succeed('disk-ls', [GUEST, '/etc/skel'])).stdout).toBe('');
    expect(lines((await succeed('disk-ls', [GUEST, '/'])).stdout)).toEqual(
      manifest.map(({ path }) => path.slice(1)).filter((name) => /^[^/]+$/.test(name)),
    );
  });

  it('lists files, links and links to directories as what they are', async () => {
    const { stdout } = await succeed('disk-ls', [GUEST, '/etc/hostname', '/vmlinuz', '/bin']);
    const bin = below('/usr/bin').map(({ path }) => path.slice('/usr/bin/'.length));
    expect(lines(stdout)).toEqual(['/etc/hostname', '/vmlinuz', ...bin]);
    expect(lines((await succeed('disk-ls', ['-d', GUEST, '/etc'])).stdout)).toEqual(['/etc']);
  });

  it('lists long as ls -l does', async () => {
    const special = '/srv/testdata/special';
    const { stdout } = await succeed('disk-ls', ['-l', GUEST, special]);
    const [total, ...rest] = lines(stdout);
    expect(total).toMatch(/^total \d+$/);
    expect(rest.length).toBe(below(special).length);
    expect(stdout).toMatch(/^crw-rw-rw- +1 root +root +1, 3 2026-01-01 00:00 null$/m);
    expect(stdout).toMatch(/^prw-r----- +1 root +root +0 2026-01-01 00:00 fifo$/m);
    const numbers = await succeed('disk-ls', ['-ln', GUEST, special]);
    expect(numbers.stdout).toMatch(/^crw-rw-rw- +1 0 0 +1, 3 /m);
    const full = await succeed('disk-ls', ['-l', '--full-time', GUEST, '/srv/testdata/times']);
    expect(full.stdout).toContain(' 2023-11-14 22:13:20.123456789 +0000 nanoseconds\n');
    const link = await succeed('disk-ls', ['-ld', GUEST, '/vmlinuz']);
    expect(link.stdout).toMatch(/ \/vmlinuz -> boot\/vmlinuz-6\.1\.0-0-guest\n$/);
  });

  it('shows set-uid, set-gid and sticky bits', async () => {
    for (const { path, mode } of below('/srv/testdata').filter((entry) => entry.mode > '0777')) {
      const { stdout } = await succeed('disk-ls', ['-ld', GUEST, path]);
      const letters = stdout.slice(1, 10);
      const special = [letters[2], letters[5], letters[8]].map((letter) => /[sStT]/.test(letter!));
      const bits = [4, 2, 1].map((bit) => (Number(mode[0]) & bit) !== 0);
      expect([path, special]).toEqual([path, bits]);
    }
  });

  it('lists a whole guest with checksums, every name by its bytes', async () => {
    const { bytes } = await succeed('disk-ls', ['-lR', '--checksum', GUEST, '/']);
    // Names may hold line breaks, so a line begins where an entry can.
    const listed = bytes
      .toString('latin1')
      .trimEnd()
      .split(/\n(?=[-dlcbps] \d{4} )/)
      .map((line) => /^(.) (\d{4}) +(\d+) (\S+) (.*)$/s.exec(line)!.slice(1))
      .map(([type, mode, size, sum, path]) => [type, mode, type === 'd' ? '' : size, sum, path]);
    const expected = manifest.map(({ path, type, mode, size = '', sha256 = '-', target }) => {
      const shown = encodeName(target === undefined ? path : `${path} -> ${target}`);
      const letter = LETTERS[type];
      return [letter, mode, String(size), sha256, Buffer.from(shown).toString('latin1')];
    });
    const byPath = (one: unknown[], other: unknown[]) =>
      String(one[4]) < String(other[4]) ? -1 : 1;
    expect(listed.toSorted(byPath)).toEqual(expected.toSorted(byPath));
  });

  it('gives the bytes of names', async () => {
    const { bytes } = await succeed('disk-ls', [GUEST, '/srv/testdata/names']);
    expect(bytes.includes(Buffer.from('latin-1 \xe9 is not UTF-8\n', 'latin1'))).toBe(true);
  });

  it('names what is below with -R', async () => {
    const { stdout } = await succeed('disk-ls', ['-R', GUEST, '/boot']);
    expect(lines(stdout)).toEqual(below('/boot').map(({ path }) => path.slice('/boot/'.length)));
  });

  it('adds columns in the order of virt-ls', async () => {
    const args = ['-lR', '--uids', '--time-t', '--extra-stats', '--checksum=md5'];
    const { stdout } = await succeed('disk-ls', [...args, GUEST, '/boot/grub']);
    const grub = lines(stdout).find((line) => line.endsWith('grub.cfg'));
    expect(grub).toMatch(
      /^- 0644 +156 +0 +0 1767225600 1767225600 1767225600 \/dev\/sda2 \d+ 1 - \d+ [0-9a-f]{32} \/boot\/grub\/grub\.cfg$/,
    );
    const times = await succeed('disk-ls', ['-lR', '--times', GUEST, '/etc/hostname']);
    expect(times.stdout).toContain(' 2026-01-01 00:00:00 ');
    const days = await succeed('disk-ls', ['-lR', '--time-days', GUEST, '/etc/hostname']);
    const sinceThen = Math.floor((Date.now() / 1000 - 1767225600) / 86400);
    expect(Number(days.stdout.split(/ +/)[4])).toBeGreaterThanOrEqual(sinceThen);
    const human = await succeed('disk-ls', ['-lRh', GUEST, '/boot/sparse']);
    expect(human.stdout).toBe('- 0644        67M /boot/sparse\n');
  });

  it('gives JSON that says it all', async () => {
    const { stdout } = await succeed('disk-ls', [
      '--json',
      '-R',
      '--checksum',
      'sha256',
      GUEST,
      '/',
    ]);
    const files = new Map(
      (JSON.parse(stdout) as { path: string }[]).map((file) => [file.path, file] as const),
    );
    expect(files.size).toBe(manifest.length);
    const types: Record<string, string> = { character: 'character-device', block: 'block-device' };
    for (const entry of manifest) {
      expect(files.get(entry.path)).toMatchObject({
        type: types[entry.type] ?? entry.type,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        ...(entry.size === undefined ? {} : { sizeBytes: entry.size, linkCount: entry.nlink }),
        ...(entry.target === undefined ? {} : { target: entry.target }),
        ...(entry.sha256 === undefined
          ? {}
          : { checksum: { algorithm: 'sha256', value: entry.sha256 } }),
      });
    }
    expect(files.get('/srv/testdata/times/nanoseconds')).toMatchObject({
      modifyTime: '2023-11-14T22:13:20.123456789Z',
      filesystem: '/dev/sda3',
    });
    expect(files.get('/boot/sparse')).toMatchObject({ filesystem: '/dev/sda2' });
    const empty = await succeed('disk-ls', ['--json', GUEST, '/boot/efi']);
    expect(JSON.parse(empty.stdout)).toEqual([]);
  });

  it('gives CSV with quoted names', async () => {
    const { stdout } = await succeed('disk-ls', ['--csv', '-a', GUEST, '/srv/testdata/names']);
    const [titles, ...records] = stdout.split(/\n(?=[a-z-]+,0)/);
    expect(titles).toBe('type,mode,size,path,target');
    expect(records.length).toBe(below('/srv/testdata/names').length);
    expect(stdout).toContain(',"/srv/testdata/names/quotes\'""`$(x)",\n');
    expect(stdout).toContain(',"/srv/testdata/names/new\nline",\n');
  });

  it('goes on where something cannot be read', async () => {
    const { code, stdout, stderr } = await run('disk-ls', ['-lR', HOSTILE, '/']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^disk-ls: Directory 18: [^\n]*\n$/);
    expect(stdout).toMatch(/^- 0644 +15 \/twice\/owned$/m);
    expect(stdout).toMatch(/^l 0777 +10 \/twice -> \.\.\/outside$/m);
    const missing = await run('disk-ls', [GUEST, '/nope', '/etc/hostname']);
    expect([missing.code, missing.stdout]).toEqual([1, '/etc/hostname\n']);
  });

  it('refuses options that make no sense together', async () => {
    for (const args of [
      ['--checksum', GUEST, '/'],
      ['-lR', '--checksum=crc7', GUEST, '/'],
    ]) {
      const { code, stderr } = await run('disk-ls', args);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/^disk-ls: .*\. Try --help\.\n$/)]);
    }
    const both = await run('disk-ls', ['--json', '--csv', GUEST, '/']);
    expect([both.code, jsonLines(both.stderr)]).toMatchObject([2, [{ error: { code: 'usage' } }]]);
  });
});
