import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeName } from '@diskfile/bytes';
import { readManifest } from '@diskfile/testkit';
import { GUEST, HOSTILE, IMAGES, jsonLines, run, scratch, start, succeed } from './support/run.ts';

const manifest = readManifest(join(IMAGES, 'debian-guest.manifest.jsonl'));
const copied = (type: string) => ['file', 'directory', 'symlink'].includes(type);
const hostPath = (directory: string, path: string) =>
  Buffer.concat([Buffer.from(directory), encodeName(path)]);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A destination and, beside it, what must stay as it is. */
function confined() {
  const root = scratch();
  const dest = join(root, 'dest');
  const outside = join(root, 'outside');
  mkdirSync(dest);
  mkdirSync(outside);
  writeFileSync(join(outside, 'victim'), 'untouched');
  const check = () => {
    expect(readdirSync(outside)).toEqual(['victim']);
    expect(readFileSync(join(outside, 'victim'), 'utf8')).toBe('untouched');
    expect(readdirSync(root).toSorted()).toEqual(['dest', 'outside']);
  };
  return { dest, outside, check };
}

describe('disk-cp', () => {
  it('copies a file into a directory and to a name, replacing what is there', async () => {
    const directory = scratch();
    await succeed('disk-cp', [`${GUEST}:/etc/hostname`, directory]);
    const { stdout } = await succeed('disk-cat', ['../', GUEST, '/etc/hostname'].slice(1));
    expect(readFileSync(join(directory, 'hostname'), 'utf8')).toBe(stdout);
    const name = join(directory, 'name');
    writeFileSync(name, 'what was there before, and longer than what comes');
    await succeed('disk-cp', [`${GUEST}:/etc/hostname`, name]);
    expect(readFileSync(name, 'utf8')).toBe(stdout);
    expect(readdirSync(directory).toSorted()).toEqual(['hostname', 'name']);
  });

  it('tells of its progress in lines of JSON, as disk-tar does', async () => {
    const copy = ['-r', '-q', '--json-lines', `${GUEST}:/etc`, `${GUEST}:/boot`, scratch()];
    for (const { stderr } of [
      await succeed('disk-cp', copy),
      await succeed('disk-tar', ['-q', '--json-lines', GUEST, '/etc', '/boot']),
    ]) {
      const lines = jsonLines(stderr) as { doneBytes: number; totalBytes: number }[];
      const done = lines.map(({ doneBytes }) => doneBytes);
      expect(done).toEqual([...new Set(done)].toSorted((one, other) => one - other));
      expect(lines.at(-1)).toEqual({ doneBytes: done.at(-1), totalBytes: done.at(-1) });
      expect(done.at(-1)).toBeGreaterThan(100_000);
    }
  });

  it('follows links that are named, and writes through links of the user', async () => {
    const directory = scratch();
    mkdirSync(join(directory, 'real'));
    symlinkSync('real', join(directory, 'link'));
    await succeed('disk-cp', [`${GUEST}:/vmlinuz`, join(directory, 'link')]);
    const { sha256: expected } = manifest.find(({ path }) => path.startsWith('/boot/vmlinuz-'))!;
    expect(sha256(readFileSync(join(directory, 'real/vmlinuz')))).toBe(expected);
  });

  it('copies the whole guest with modes, times, links and holes', async () => {
    const directory = scratch();
    const { stdout } = await succeed('disk-cp', ['-aq', '--json', `${GUEST}:/`, directory]);
    const entries = manifest.filter(({ type }) => copied(type));
    for (const { path, type, mode, mtime_ns: mtime, size, sha256: sum, target } of entries) {
      const copy = hostPath(directory, path);
      const status = lstatSync(copy, { bigint: true });
      const wanted = type === 'symlink' ? 0o777 : Number.parseInt(mode, 8) % 0o1000;
      expect([path, Number(status.mode) % 0o1000]).toEqual([path, wanted]);
      if (type === 'symlink') {
        expect(readlinkSync(copy, 'buffer')).toEqual(Buffer.from(encodeName(target!)));
      }
      if (type === 'file') {
        expect([path, Number(status.size)]).toEqual([path, size]);
        expect([path, sha256(readFileSync(copy))]).toEqual([path, sum]);
      }
      if (!path.startsWith('/srv/testdata/times') && path !== '/') {
        const microseconds = BigInt(mtime) / 1000n;
        expect([path, status.mtimeNs / 1000n]).toEqual([path, microseconds]);
      }
    }
    const sparse = statSync(join(directory, 'boot/sparse'));
    expect(sparse.blocks * 512).toBeLessThan(sparse.size / 10);
    for (const { path, hardLinkTo } of entries.filter((entry) => entry.hardLinkTo !== undefined)) {
      const inode = statSync(hostPath(directory, hardLinkTo!)).ino;
      expect(statSync(hostPath(directory, path)).ino).toBe(inode);
    }
    const count = (type: string) => entries.filter((entry) => entry.type === type).length;
    expect(JSON.parse(stdout)).toMatchObject({
      directories: count('directory'),
      leftOut: manifest.length - entries.length,
    });
  });

  it('drops set-uid and set-gid, and says what it leaves out', async () => {
    const directory = scratch();
    const { stderr } = await succeed('disk-cp', ['-a', `${GUEST}:/srv/testdata`, directory]);
    expect(stderr).toMatch(/warning: \/srv\/testdata\/special\/fifo is left out: a fifo cannot/);
    for (const { path } of manifest.filter(
      ({ path: each, type }) => each.startsWith('/srv/testdata/') && copied(type),
    )) {
      const inCopy = path.slice('/srv'.length);
      expect(lstatSync(hostPath(directory, inCopy)).mode & 0o6000).toBe(0);
    }
  });

  it('takes several sources, and directories only with -r', async () => {
    const directory = scratch();
    const sources = [`${GUEST}:/etc/hostname`, `${GUEST}:/etc/skel`];
    const { code, stderr } = await run('disk-cp', [...sources, directory]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      'disk-cp: It is a directory (guest path /etc/skel). Copy it with -r or -a.\n',
    );
    expect(readdirSync(directory)).toEqual(['hostname']);
    await succeed('disk-cp', ['-r', ...sources, `${HOSTILE}:/plain`, directory]);
    expect(readdirSync(directory).toSorted()).toEqual(['hostname', 'plain', 'skel']);
    const none = await run('disk-cp', [...sources, join(directory, 'missing')]);
    expect(none.code).toBe(2);
  });

  it('never writes through a link of the guest, whatever stands in a directory twice', async () => {
    const { dest, check } = confined();
    const { code, stderr } = await run('disk-cp', ['-r', '--json', `${HOSTILE}:/`, dest]);
    expect(code).toBe(1);
    expect(jsonLines(stderr)).toMatchObject(
      [
        { error: { detail: 'ext4.directory-entry' } },
        { error: { code: 'denied', detail: 'cp.occupied' } },
      ].toReversed(),
    );
    check();
    expect(readlinkSync(join(dest, 'twice'))).toBe('../outside');
    expect(readFileSync(join(dest, 'plain'), 'utf8')).toBe('from the guest\n');
  });

  it('never writes through links that an earlier copy has left', async () => {
    const { dest, outside, check } = confined();
    symlinkSync(outside, join(dest, 'etc'));
    symlinkSync(join(outside, 'victim'), join(dest, 'plain'));
    const { code, stderr } = await run('disk-cp', ['-r', `${HOSTILE}:/`, dest]);
    expect(code).toBe(1);
    expect(stderr).toContain('is a symbolic link, where a directory has to go');
    check();
    expect(lstatSync(join(dest, 'plain')).isFile()).toBe(true);
    expect(readlinkSync(join(dest, 'etc'))).toBe(outside);
  });

  it('replaces no directory by a file, and no special file at all', async () => {
    const { dest } = confined();
    mkdirSync(join(dest, 'hostname'));
    const onto = await run('disk-cp', [`${GUEST}:/etc/hostname`, dest]);
    expect([onto.code, onto.stderr]).toEqual(
      [1, expect.stringContaining('is a directory, where a file has to go')], //
    );
    const device = await run('disk-cp', [`${GUEST}:/etc/hostname`, '/dev/null']);
    expect([device.code, device.stderr]).toEqual([2, expect.stringContaining('special file')]);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it('leaves nothing half done behind when it is interrupted', async () => {
    const directory = scratch();
    const child = start('disk-cp', ['-a', `${GUEST}:/`, directory]);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    while (!existsSync(join(directory, 'boot'))) await new Promise((go) => setTimeout(go, 5));
    child.kill('SIGINT');
    const ended = await new Promise((resolve) => {
      child.on('exit', (code, signal) => resolve([code, signal]));
    });
    expect(ended).toEqual([null, 'SIGINT']);
    expect(stderr).not.toContain('error');
    const names = readdirSync(directory, { recursive: true, encoding: 'latin1' });
    expect(names.filter((name) => name.includes('.disk-cp-'))).toEqual([]);
  });

  it('explains what it cannot understand', async () => {
    for (const args of [['x'], ['/etc/passwd', '/tmp'], [`${GUEST}:/etc/hostname`], []]) {
      const { code, stderr } = await run('disk-cp', args);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/^disk-cp: .*\. Try --help\.\n$/)]);
    }
    const nowhere = await run('disk-cp', [`${GUEST}:/etc/hostname`, '/nonexistent/directory/x']);
    expect([nowhere.code, nowhere.stderr]).toEqual([
      1,
      'disk-cp: Cannot write /nonexistent/directory/x: its directory does not exist.\n',
    ]);
  });

  it('finds images whose names hold a colon and a slash', async () => {
    const directory = scratch();
    mkdirSync(join(directory, 'a:'));
    const image = join(directory, 'a:/b');
    writeFileSync(image, readFileSync(HOSTILE));
    await succeed('disk-cp', [`${image}:/plain`, join(directory, 'copy')]);
    expect(readFileSync(join(directory, 'copy'), 'utf8')).toBe('from the guest\n');
  });
});
