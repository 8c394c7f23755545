import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Parser, type ReadEntry } from 'tar';
import { describe, expect, it } from 'vitest';
import { readManifest } from '@diskfile/testkit';
import { GUEST, IMAGES, run, shell, commandPath, succeed } from './support/run.ts';

const manifest = readManifest(join(IMAGES, 'debian-guest.manifest.jsonl'));

interface Member {
  readonly entry: ReadEntry;
  readonly content: Buffer;
}

/** Members by path, as the library reads them back. */
function parse(archive: Buffer): Map<string, Member> {
  const members = new Map<string, Member>();
  const parser = new Parser({ strict: true });
  parser.on('entry', (entry: ReadEntry) => {
    const chunks: Buffer[] = [];
    entry.on('data', (chunk: Buffer) => chunks.push(chunk));
    entry.on('end', () => members.set(entry.path, { entry, content: Buffer.concat(chunks) }));
  });
  parser.end(archive);
  return members;
}

const TYPES: Record<string, string> = {
  file: 'File',
  directory: 'Directory',
  symlink: 'SymbolicLink',
  character: 'CharacterDevice',
  block: 'BlockDevice',
  fifo: 'FIFO',
};

describe('disk-tar', () => {
  it('writes every file of a guest with owners, links and devices', async () => {
    const { bytes, stderr } = await succeed('disk-tar', [GUEST, '/']);
    expect(stderr).toContain('/srv/testdata/special/socket is left out: a socket');
    expect(bytes.length % 10240).toBe(0);
    const members = parse(bytes);
    const archived = manifest.filter(({ type }) => type !== 'socket');
    expect(members.size).toBe(archived.length);
    // The library reads no other bytes than text and no line breaks; GNU tar does, in interop.
    const expected = archived.filter(
      ({ path, target = '' }) => !/[\n\udc80-\udcff]/.test(path + target),
    );
    expect(expected.length).toBeGreaterThan(archived.length - 10);
    for (const { path, type, mode, uid, gid, sha256, target, rdev } of expected) {
      const name = `${path === '/' ? '.' : path.slice(1)}${type === 'directory' ? '/' : ''}`;
      const member = members.get(name) ?? members.get(sparseName(name))!;
      const { entry, content } = member;
      if (entry.type === 'Link') continue;
      expect([path, entry.type]).toEqual([path, TYPES[type]]);
      expect(entry).toMatchObject({ mode: Number.parseInt(mode, 8), uid, gid });
      if (target !== undefined) expect(entry.linkpath).toBe(target);
      if (rdev !== undefined) {
        expect(`${entry.header.devmaj}:${entry.header.devmin}`).toBe(rdev);
      }
      if (sha256 !== undefined && members.has(name)) {
        expect([path, createHash('sha256').update(content).digest('hex')]).toEqual([path, sha256]);
      }
    }
    const links = [...members.values()].filter(({ entry }) => entry.type === 'Link');
    expect(links.length).toBe(manifest.filter((each) => each.hardLinkTo !== undefined).length);
    for (const { entry } of links) expect(members.has(entry.linkpath!)).toBe(true);
  });

  it('writes sparse files as a map and their data', async () => {
    const { bytes } = await succeed('disk-tar', [GUEST, '/boot/sparse']);
    const [[name, { content }]] = [...parse(bytes)] as [[string, Member]];
    expect(name).toBe('boot/GNUSparseFile.0/sparse');
    expect(content.length).toBeLessThan(200_000);
    const text = content.toString('latin1');
    const numbers = text.slice(0, text.indexOf('\0')).split('\n').slice(0, -1).map(Number);
    const [count, ...map] = numbers;
    expect(map.length).toBe(count! * 2);
    const whole = Buffer.alloc(map.at(-2)! + map.at(-1)!);
    for (let at = Math.ceil(text.indexOf('\0') / 512) * 512, index = 0; index < map.length;) {
      const [offset, length] = [map[index]!, map[index + 1]!];
      content.copy(whole, offset, at, at + length);
      at += length;
      index += 2;
    }
    const { sha256 } = manifest.find(({ path }) => path === '/boot/sparse')!;
    expect(createHash('sha256').update(whole).digest('hex')).toBe(sha256);
  });

  it('keeps a good archive and fails when a path is missing', async () => {
    const { code, bytes, stderr } = await run('disk-tar', [GUEST, '/nope', '/etc/hostname']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^disk-tar: No such file or directory in the guest \(guest path \/nope\)/,
    );
    expect([...parse(bytes).keys()]).toEqual(['etc/hostname']);
  });

  it('stays on one filesystem when told so', async () => {
    const { bytes } = await succeed('disk-tar', ['--one-file-system', '-q', GUEST, '/']);
    const names = [...parse(bytes).keys()];
    expect(names).toContain('etc/hostname');
    expect(names.filter((name) => name.startsWith('boot'))).toEqual([]);
  });

  it('is quiet when its reader goes away', async () => {
    const script = '"$@" | head -c 1 >/dev/null; echo "${PIPESTATUS[0]}"';
    const { stdout, stderr } = await shell(script, [
      'bash',
      process.execPath,
      commandPath('disk-tar'),
      '-q',
      GUEST,
      '/',
    ]);
    expect([stdout, stderr]).toEqual(['141\n', '']);
  });
});

function sparseName(name: string): string {
  return name.replace(/[^/]*$/, (base) => `GNUSparseFile.0/${base}`);
}
