import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { FileSystem } from '../src/index.ts';
import { FakeLink, type FakeNode, FakeVolume } from '@diskfile/testkit';

const link = (target: string) => new FakeLink(target);

function open(tree: FakeNode): FileSystem {
  return new FileSystem(new FakeVolume(tree), { synchronous: true });
}

const tree = {
  etc: { 'os-release': link('../usr/lib/os-release'), hosts: 'localhost' },
  usr: { lib: { 'os-release': 'ID=test\n' } },
  'out-of-here': link('../../../../etc/hosts'),
  absolute: link('/usr/lib'),
  loop: link('loop'),
  ping: link('pong'),
  pong: link('ping'),
  dangling: link('nowhere'),
};

describe('paths', () => {
  it.each([
    ['/etc/os-release', '/usr/lib/os-release'],
    ['etc/os-release', '/usr/lib/os-release'],
    ['/out-of-here', '/etc/hosts'],
    ['/absolute/os-release', '/usr/lib/os-release'],
    ['/absolute/../../etc/./hosts', '/etc/hosts'],
    ['//etc//hosts', '/etc/hosts'],
    ['/..', '/'],
    ['', '/'],
  ])('%s leads to %s', async (path, real) => {
    const fs = open(tree);
    expect(await fs.realpath(path)).toBe(real);
    expect(fs.realpathSync(path)).toBe(real);
  });

  it.each([
    ['/nothing', 'filesystem.not-found', 'not-found'],
    ['/dangling', 'filesystem.not-found', 'not-found'],
    ['/etc/hosts/x', 'filesystem.not-a-directory', 'invalid-argument'],
    ['/loop', 'filesystem.symlink-loop', 'limit'],
    ['/ping', 'filesystem.symlink-loop', 'limit'],
    ['/a\0b', 'filesystem.path', 'invalid-argument'],
  ])('%s is refused', async (path, detail, code) => {
    const fs = open(tree);
    await expect(fs.stat(path)).rejects.toMatchObject({ detail, code });
    expect(() => fs.statSync(path)).toThrowError(DiskError);
  });

  it('are quick to resolve whatever links are made of', () => {
    // A directory that stands in itself, and links as long as those of a damaged disk can be.
    const links = Object.fromEntries(
      Array.from({ length: 39 }, (_, at) => [
        `link${at}`,
        link(`${'a/'.repeat(16_000)}link${at + 1}${'/'.repeat(32_000)}`),
      ]),
    );
    const fs = open({ a: { same: 0 }, ...links, link39: 'end' });
    // Looking through what is left at every name takes longer than any test may.
    for (let round = 0; round < 2; round++) expect(fs.statSync('/link0/').type).toBe('file');
  });

  it('follow a last link for stat, not for lstat', async () => {
    const fs = open(tree);
    expect((await fs.stat('/etc/os-release')).type).toBe('file');
    expect((await fs.lstat('/etc/os-release')).type).toBe('symlink');
    expect((await fs.lstat('/absolute/')).type).toBe('directory');
    expect(await fs.readlink('/absolute')).toBe('/usr/lib');
    await expect(fs.readlink('/etc')).rejects.toMatchObject({ detail: 'filesystem.not-a-link' });
  });
});

describe('files', () => {
  it('read whole, in parts and as a stream', async () => {
    const fs = open(tree);
    expect(new TextDecoder().decode(await fs.readFile('/etc/os-release'))).toBe('ID=test\n');
    const handle = fs.openSync('/etc/os-release');
    const dst = new Uint8Array(4);
    expect(handle.readSync(dst, 6)).toBe(2);
    expect(await handle.read(dst, 100)).toBe(0);
    const parts: Uint8Array[] = [];
    for await (const part of fs.createReadStream('/etc/os-release', { start: 1, end: 4 })) {
      parts.push(part);
    }
    expect(parts.map((part) => new TextDecoder().decode(part)).join('')).toBe('D=te');
  });

  it('refuse what is no regular file, or too large for one array', async () => {
    const fs = open(tree);
    await expect(fs.open('/etc')).rejects.toMatchObject({ detail: 'filesystem.is-a-directory' });
    await expect(fs.readFile('/etc/hosts', { maxBytes: 3 })).rejects.toMatchObject({
      code: 'limit',
      context: { guestPath: '/etc/hosts' },
    });
  });
});

describe('mounts', () => {
  it('make one tree, links and walks included', async () => {
    const fs = open({ boot: { hidden: 'x' }, etc: { fstab: '' }, kernel: link('boot/vmlinuz') });
    await fs.mount('/boot', new FakeVolume({ vmlinuz: 'k', efi: {}, up: link('../etc') }, 'boot'));
    await fs.mount('/boot/efi', new FakeVolume({ loader: 'l' }, 'esp'));
    expect(fs.mounts.map(({ path }) => path)).toEqual(['/', '/boot', '/boot/efi']);
    expect(await fs.realpath('/kernel')).toBe('/boot/vmlinuz');
    expect(await fs.realpath('/boot/up/fstab')).toBe('/etc/fstab');
    expect(await fs.realpath('/boot/efi/../vmlinuz')).toBe('/boot/vmlinuz');
    expect(await fs.exists('/boot/hidden')).toBe(false);
    const label = (await fs.xattrs('/boot/efi/loader')).get('user.label');
    expect(new TextDecoder().decode(label)).toBe('esp');
    const paths: string[] = [];
    for await (const { path } of fs.walk('/')) paths.push(path);
    expect(paths).toEqual([
      '/',
      '/boot',
      '/boot/efi',
      '/boot/efi/loader',
      '/boot/up',
      '/boot/vmlinuz',
      '/etc',
      '/etc/fstab',
      '/kernel',
    ]);
    const own = [...fs.walkSync('/', { crossMounts: false })].map(({ path }) => path);
    expect(own).toEqual(['/', '/etc', '/etc/fstab', '/kernel']);
  });

  it('need a directory', async () => {
    await expect(open(tree).mount('/etc/hosts', new FakeVolume({}))).rejects.toMatchObject({
      detail: 'filesystem.not-a-directory',
    });
  });
});

describe('walking', () => {
  it('meets a directory that stands in two places once, and says so', () => {
    const fs = open({ a: { b: { back: { same: 1 } } }, z: 'file' });
    expect(() => [...fs.walkSync('/')]).toThrowError(/more than one place/);
    const problems: string[] = [];
    const paths = [
      ...fs.walkSync('/', { onError: (error, path) => problems.push(`${path} ${error.detail}`) }),
    ].map(({ path }) => path);
    expect(paths).toEqual(['/', '/a', '/a/b', '/a/b/back', '/z']);
    expect(problems).toEqual(['/a/b/back filesystem.directory-linked-twice']);
  });

  it('lists directories as streams', async () => {
    const names: string[] = [];
    for await (const { name } of open(tree).readdir('/absolute')) names.push(name);
    expect(names).toEqual(['os-release']);
    expect([...open(tree).readdirSync('/etc')].map(({ type }) => type)).toEqual([
      'symlink',
      'file',
    ]);
  });
});

describe('the synchronous form', () => {
  it('is refused where the storage does not allow it', () => {
    const fs = new FileSystem(new FakeVolume(tree), { synchronous: false });
    expect(() => fs.statSync('/')).toThrowError(/synchronously/);
  });
});
