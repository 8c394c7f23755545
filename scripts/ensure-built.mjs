// Makes sure that what tests and tools run is installed and built, in little time when it is.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
/** What the build makes last. */
const LAST_OUTPUT = 'packages/disk-io/dist/commands/disk-io.js';
const SHARED_SOURCES = ['package-lock.json', 'tsconfig.json', 'tsconfig.base.json'];
const SKIPPED = new Set(['node_modules', 'dist', 'test']);

if (!isInstalled()) {
  // The install builds as well, unless scripts are off.
  if (!tryRun('npm', ['ci'])) run('npm', ['install']);
}
if (!isBuilt()) run('npm', ['run', '--silent', 'build']);

function isInstalled() {
  return ['.package-lock.json', 'typescript', 'esbuild', 'vitest'].every((name) =>
    existsSync(join(root, 'node_modules', name)),
  );
}

function isBuilt() {
  const workspaces = [
    ...readdirSync(join(root, 'packages')).map((name) => join('packages', name)),
    'benchmarks',
  ];
  const builtAt = modified(LAST_OUTPUT);
  if (builtAt === 0) return false;
  const hasOutput = workspaces.every(
    (workspace) =>
      !existsSync(join(root, workspace, 'src')) || existsSync(join(root, workspace, 'dist')),
  );
  if (!hasOutput) return false;
  return [
    ...SHARED_SOURCES.map(modified),
    ...workspaces.map((workspace) => newestBelow(join(root, workspace))),
  ].every((changedAt) => changedAt <= builtAt);
}

/** When the newest file below a directory changed; outputs and tests left out. */
function newestBelow(directory) {
  let newest = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestBelow(path));
    else if (/\.(ts|mjs|json)$/.test(entry.name)) newest = Math.max(newest, statSync(path).mtimeMs);
  }
  return newest;
}

function modified(name) {
  return statSync(join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function run(command, args) {
  if (!tryRun(command, args)) process.exit(1);
}

function tryRun(command, args) {
  console.error(`> ${command} ${args.join(' ')}`);
  // Called by a silent npm, the one started here would not even say why it fails.
  const { npm_config_loglevel: _, ...env } = process.env;
  const { status } = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  return status === 0;
}
