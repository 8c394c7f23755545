/** What `disk-tar` writes, extracted by GNU tar and libarchive, is the tree that the kernel had. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { haveTools, type ManifestEntry, readManifest } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { commandPath, GUEST, IMAGES, scratch } from './support/run.ts';

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('skipped: extracting archives with owners and devices needs root');

const manifestTool = join(import.meta.dirname, '../../../scripts/guest/tools/manifest.py');

/** Makes the archive of the whole guest, has `extract` unpack it, and lists what came out. */
function roundTrip(extract: (archive: string, into: string) => readonly string[]) {
  const directory = scratch();
  const archive = join(directory, 'guest.tar');
  const output = openSync(archive, 'w');
  const made = spawnSync(process.execPath, [commandPath('disk-tar'), '-q', GUEST, '/'], {
    stdio: ['ignore', output, 'pipe'],
  });
  closeSync(output);
  expect([made.status, made.stderr.toString()]).toEqual([0, '']);
  const into = join(directory, 'tree');
  mkdirSync(into);
  const [program, ...args] = extract(archive, into);
  const extracted = spawnSync(program!, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  const listing = join(directory, 'manifest.jsonl');
  const listed = spawnSync('python3', [manifestTool, into, listing], { encoding: 'utf8' });
  expect([listed.status, listed.stderr]).toEqual([0, '']);
  return { into, extracted, entries: byPath(readManifest(listing)) };
}

function byPath(entries: readonly ManifestEntry[]): Map<string, ManifestEntry> {
  return new Map(entries.map((entry) => [entry.path, entry]));
}

/** Everything but sockets, which no archive holds. */
const expected = byPath(
  readManifest(join(IMAGES, 'debian-guest.manifest.jsonl')).filter(({ type }) => type !== 'socket'),
);

describe.skipIf(!isRoot || !haveTools('tar', 'python3'))('GNU tar', () => {
  it('restores the guest from an archive, to the last attribute', () => {
    const { into, extracted, entries } = roundTrip((archive, directory) => [
      'tar',
      '--numeric-owner',
      '--xattrs',
      '--xattrs-include=*',
      '-xpf',
      archive,
      '-C',
      directory,
    ]);
    expect([extracted.status, [...entries.keys()]]).toEqual([0, [...expected.keys()]]);
    for (const [path, entry] of expected) expect(entries.get(path)).toEqual(entry);
    const sparse = statSync(join(into, 'boot/sparse'));
    expect(sparse.blocks * 512).toBeLessThan(sparse.size / 10);
  });
});

describe.skipIf(!isRoot || !haveTools('bsdtar', 'python3'))('libarchive', () => {
  it('restores names, contents, owners, times and links', () => {
    const { entries } = roundTrip((archive, directory) => [
      'bsdtar',
      '--numeric-owner',
      '-xpf',
      archive,
      '-C',
      directory,
    ]);
    for (const [path, { xattrs: _, ...entry }] of expected) {
      // It writes names in composed form, times before 1970 by another rule, and the root's last.
      if (path.normalize('NFC') !== path || path === '/' || path.includes('/before-1970')) continue;
      expect(entries.get(path)).toMatchObject(entry);
    }
  });
});
