// Bundles the commands of a package with everything they use, so that they start fast and install alone.
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';

/** Decoders that the codec package asks for by require(), and only where the platform has none. */
const REQUIRED_PACKAGES = {
  pako: ['package.json', 'dist/pako.cjs.js', 'dist/pako.mjs'],
  'zstd-codec': ['package.json', 'lib/zstd-codec-binding-wasm.js'],
};

/**
 * Writes `dist/commands` of the package in `root`: one file for each `src/disk-*.ts`, and chunks
 * that are loaded when they are used. Its version stands in `COMMAND_VERSION`.
 * @param {{ root: string, plugins?: import('esbuild').Plugin[] }} options
 */
export async function bundleCommands({ root, plugins = [] }) {
  const target = join(root, 'dist/commands');
  // Whoever runs a command meanwhile finds the old bundle or the new one, whole.
  const outdir = `${target}-${process.pid}`;
  const commands = readdirSync(join(root, 'src')).filter((name) => name.startsWith('disk-'));
  const { version } = readJson(join(root, 'package.json'));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: commands.map((name) => join('src', name)),
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
    plugins: [askForBuiltins(), ...plugins],
    chunkNames: 'chunks/[name]-[hash]',
    logLevel: 'warning',
  });
  await bundleWorker(root, outdir, metafile, plugins);
  const required = copyRequiredPackages(root, outdir);
  writeNotices([...bundledPackages(root, metafile), ...required], outdir);
  rmSync(target, { recursive: true, force: true });
  renameSync(outdir, target);
}

/**
 * The program of worker threads, in one file, which starts fastest. It is looked for beside the
 * module that starts it: a chunk, or a command that is its only user.
 */
async function bundleWorker(root, outdir, { inputs }, plugins) {
  const starter = Object.keys(inputs).find((path) => path.endsWith('workers/worker-start.js'));
  if (starter === undefined) return;
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, dirname(starter), 'worker-program.js')],
    outfile: join(outdir, 'chunks/worker-program.js'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minify: true,
    legalComments: 'none',
    external: Object.keys(REQUIRED_PACKAGES),
    plugins: [askForBuiltins(), ...plugins],
    logLevel: 'warning',
  });
  writeFileSync(join(outdir, 'worker-program.js'), "import './chunks/worker-program.js';\n");
}

/**
 * Modules of Node are asked for directly. Importing them costs milliseconds: it reads every export
 * of each, and some of those load further modules. It also serves packages that use require().
 */
function askForBuiltins() {
  const filter = new RegExp(`^(node:.*|${builtinModules.join('|')})$`);
  return {
    name: 'ask-for-builtins',
    setup({ onResolve, onLoad }) {
      onResolve({ filter }, ({ path }) => ({ path, namespace: 'builtin' }));
      onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
        // Commander would load this one for subcommands that are programs; nothing here starts one.
        contents:
          path === 'node:child_process'
            ? 'module.exports = {};'
            : `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      }));
    },
  };
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
