/**
 * The packages as npm would publish them: packed, checked, installed into an empty directory and
 * used from there. Needs the npm registry, or its cache, for the few packages of others.
 */
import { spawnSync, type SpawnSyncOptions } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GUEST, IMAGES } from './support/run.ts';

const root = resolve(import.meta.dirname, '../../..');
const work = mkdtempSync(join(tmpdir(), 'diskfile-packed-'));
const tools = join(root, 'node_modules/.bin');

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly bin?: Readonly<Record<string, string>>;
}

interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const published = readdirSync(join(root, 'packages'))
  .map((directory) => {
    const text = readFileSync(join(root, 'packages', directory, 'package.json'), 'utf8');
    return { directory, manifest: JSON.parse(text) as Manifest };
  })
  .filter(({ manifest }) => manifest.private !== true);
const commands = Object.keys(
  published.find(({ manifest }) => manifest.name === 'disk-cat')!.manifest.bin!,
);

function run(program: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...options,
    // What npm was told about this workspace must not reach the one that is installed into.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout as string;
}

function install(directory: string, packages: readonly Packed[]): void {
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }\n');
  const tarballs = packages.map(({ filename }) => join(work, filename));
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  run('npm', ['install', ...quiet, ...tarballs], { cwd: directory });
}

let packed: readonly Packed[] = [];

beforeAll(() => {
  const workspaces = published.flatMap(({ directory }) => ['-w', join('packages', directory)]);
  const output = run('npm', ['pack', '--json', '--pack-destination', work, ...workspaces], {
    cwd: root,
  });
  packed = JSON.parse(output) as Packed[];
});

afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Packages that have commands, and nothing to import. */
const COMMANDS: ReadonlySet<string> = new Set(['disk-cat', 'disk-img', 'disk-io']);

describe('every package', () => {
  it('holds what it should and no more', () => {
    expect(packed.map(({ name }) => name).toSorted()).toEqual(
      published.map(({ manifest }) => manifest.name).toSorted(),
    );
    for (const { name, files } of packed) {
      const paths = files.map(({ path }) => path);
      const strays = paths.filter(
        (path) => !/^(dist|src|bin)\/|^(package\.json|README\.md|LICENSE)$/.test(path),
      );
      expect([name, strays]).toEqual([name, []]);
      expect(paths.filter((path) => /\.tsbuildinfo$|\.test\./.test(path))).toEqual([]);
      const entry = COMMANDS.has(name) ? `dist/commands/${name}.js` : 'dist/index.js';
      expect(paths).toContain(entry);
    }
  });

  it.each(published.map(({ manifest }) => manifest.name))('is clean in %s', (name) => {
    const { filename } = packed.find((each) => each.name === name)!;
    const path = join(work, filename);
    expect(run(join(tools, 'publint'), ['run', path, '--strict'])).toContain('All good!');
    // What has only commands has nothing to import, and so no types.
    if (!COMMANDS.has(name)) run(join(tools, 'attw'), [path, '--profile', 'esm-only']);
  });
});

describe('all packages in an empty directory', () => {
  const directory = join(work, 'all');
  beforeAll(() => install(directory, packed));

  it('run the command of the README', () => {
    const output = run('npx', ['--no-install', 'disk-cat', GUEST, '/etc/os-release'], {
      cwd: directory,
    });
    expect(output).toContain('ID=debian\n');
  });

  it('are a library', () => {
    writeFileSync(
      join(directory, 'use.js'),
      `import { digest, openDiskFile, openGuest, readPartitions } from 'diskfile';
       const disk = await openDiskFile(process.argv[2]);
       const table = await readPartitions(disk);
       const guest = await openGuest(disk);
       const bytes = await guest.fileSystem.readFile('/etc/hostname');
       console.log(JSON.stringify([table.partitions.length, bytes.length > 0]));
       await digest(disk);
       await guest.close();
       await disk.close();
      `,
    );
    expect(JSON.parse(run(process.execPath, ['use.js', GUEST], { cwd: directory }))).toEqual(
      [3, true], //
    );
  });

  it('have types that check', () => {
    writeFileSync(
      join(directory, 'use.ts'),
      `import { type DiskFile, openDiskFile, openGuest } from 'diskfile';
       export async function read(path: string): Promise<number> {
         const disk: DiskFile = await openDiskFile(path, { gate: { allow: ['/images'] } });
         const guest = await openGuest(disk);
         const stats = await guest.fileSystem.stat('/etc/os-release');
         // @ts-expect-error sizes are numbers
         const wrong: string = stats.sizeBytes;
         return stats.sizeBytes + wrong.length;
       }
      `,
    );
    const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022'];
    const libs = ['--lib', 'es2023,esnext.disposable,dom', '--types', ''];
    run(join(tools, 'tsc'), [...strict, ...libs, 'use.ts'], { cwd: directory });
  });
});

describe('disk-cat alone in an empty directory', () => {
  const directory = join(work, 'alone');
  beforeAll(() =>
    install(
      directory,
      packed.filter(({ name }) => name === 'disk-cat'),
    ),
  );

  it('brings nothing else along', () => {
    const names = readdirSync(join(directory, 'node_modules'));
    expect(names.filter((name) => !name.startsWith('.'))).toEqual(['disk-cat']);
  });

  it.each(commands)('runs %s', (command) => {
    const output = run('npx', ['--no-install', command, '--version'], { cwd: directory });
    expect(output).toMatch(new RegExp(`^${command} \\d`));
  });

  it('reads compressed images without the workspace', () => {
    const bin = join(directory, 'node_modules/disk-cat/bin');
    const info = run(process.execPath, [
      join(bin, 'disk-info.js'),
      '--json',
      join(IMAGES, 'zstd.qcow2'),
    ]);
    // The partition table cannot be looked for without decoding clusters.
    expect(JSON.parse(info)).toMatchObject({ partitionTable: null, filesystems: [] });
    const text = run(process.execPath, [join(bin, 'disk-cat.js'), GUEST, '/etc/os-release']);
    expect(text).toContain('ID=debian\n');
  });
});
