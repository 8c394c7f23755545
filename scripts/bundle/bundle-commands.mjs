// Bundles the commands of a package with everything they use, so that they start fast and install alone.
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { askForBuiltins } from './ask-for-builtins.mjs';
import { buildBase } from './base-module.mjs';
import { deferParts } from './deferred-parts.mjs';
import { directImports } from './direct-imports.mjs';

/** Decoders that the codec package asks for by require(), and only where the platform has none. */
const REQUIRED_PACKAGES = {
  pako: ['package.json', 'dist/pako.cjs.js', 'dist/pako.mjs'],
  'zstd-codec': ['package.json', 'lib/zstd-codec-binding-wasm.js'],
};

/**
 * Writes `dist/commands` of the package in `root`: one file for each `src/disk-*.ts`, and chunks
 * that are loaded when they are used. Its version stands in `COMMAND_VERSION`.
 * @param {{ root: string, atOnce?: string[] }} options
 *   `atOnce` are modules in `src`, without extension, that are best loaded together with the base
 */
export async function bundleCommands({ root, atOnce = [] }) {
  const target = join(root, 'dist/commands');
  // Whoever runs a command meanwhile finds the old bundle or the new one, whole.
  const outdir = `${target}-${process.pid}`;
  const commands = readdirSync(join(root, 'src'))
    .filter((name) => /^disk-.*\.ts$/.test(name))
    .map((name) => name.replace('.ts', ''));
  const modules = join(root, 'dist/modules');
  const { version } = readJson(join(root, 'package.json'));
  const packages = join(root, '..');
  const library = join(packages, 'diskfile/dist');
  const deferred = deferParts(packages);
  const options = {
    absWorkingDir: root,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Halves the time to compile it. With --verbose, traces are mapped back to the sources.
    minify: true,
    legalComments: 'none',
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    define: { COMMAND_VERSION: JSON.stringify(version) },
    external: Object.keys(REQUIRED_PACKAGES),
    plugins: [askForBuiltins(), deferred.stubs, directImports(packages)],
    chunkNames: '[name]-[hash]',
    logLevel: 'warning',
  };
  const base = await buildBase(options, [
    join(library, 'open/open-disk-file.js'),
    join(packages, 'command/dist/index.js'),
    ...atOnce.map((name) => join(modules, `${name}.js`)),
  ]);
  const { metafile } = await build({
    ...options,
    entryPoints: [
      ...commands.map((name) => ({ in: join(modules, `${name}.js`), out: name })),
      // Looked for beside the module that starts it, as all chunks are.
      { in: join(library, 'workers/worker-program.js'), out: 'worker-program' },
      ...base.entryPoints,
      ...deferred.entryPoints,
    ],
    plugins: [
      base.plugin,
      deferred.units,
      askForBuiltins(),
      directImports(packages, base.elsewhere),
    ],
  });
  const required = copyRequiredPackages(root, outdir);
  const bundled = [metafile, base.metafile].flatMap((each) => bundledPackages(root, each));
  writeNotices([...bundled, ...required], outdir);
  rmSync(target, { recursive: true, force: true });
  renameSync(outdir, target);
}

/** Puts packages where the bundle finds them at run time. Returns their directories of origin. */
function copyRequiredPackages(root, outdir) {
  const require = createRequire(join(root, '../codec/package.json'));
  return Object.entries(REQUIRED_PACKAGES).map(([name, files]) => {
    const origin = packageDirectory(require.resolve(`${name}/package.json`));
    for (const file of files) cpSync(join(origin, file), join(outdir, 'node_modules', name, file));
    return origin;
  });
}

function bundledPackages(root, { inputs }) {
  return Object.keys(inputs)
    .filter((input) => input.includes('node_modules/'))
    .map((input) => packageDirectory(resolve(root, input)));
}

function packageDirectory(path) {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)[0];
}

/** The licences of what is part of the output, as these ask for. */
function writeNotices(directories, outdir) {
  const notices = [...new Set(directories)].map((directory) => {
    const { name, version: itsVersion, license } = readJson(join(directory, 'package.json'));
    const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8').trim();
    return `${name} ${itsVersion} (${license})\n\n${text}\n`;
  });
  const rule = `\n${'-'.repeat(80)}\n\n`;
  writeFileSync(
    join(outdir, 'THIRD-PARTY-NOTICES.txt'),
    `These packages are part of the files in this directory.\n${rule}${notices.toSorted().join(rule)}`,
  );
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
