// Bundles each command with everything it uses, so that it starts fast and installs alone.
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const target = join(root, 'dist/commands');
// Whoever runs a command meanwhile finds the old bundle or the new one, whole.
const outdir = `${target}-${process.pid}`;
const commands = readdirSync(join(root, 'src')).filter((name) => name.startsWith('disk-'));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

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
  define: { DISK_CAT_VERSION: JSON.stringify(version) },
  plugins: [builtinModules()],
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
});
writeNotices(metafile);
rmSync(target, { recursive: true, force: true });
renameSync(outdir, target);

/**
 * Modules of Node are asked for directly. Importing them costs milliseconds: it reads every export
 * of each, and some of those load further modules. It also serves packages that use require().
 */
function builtinModules() {
  return {
    name: 'builtin-modules',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'builtin' }));
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

/** The licences of what ended up in the bundle, as these ask for. */
function writeNotices({ inputs }) {
  const packages = new Map();
  for (const input of Object.keys(inputs)) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match === null) continue;
    const directory = resolve(root, match[1]);
    const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    packages.set(`${manifest.name} ${manifest.version}`, { directory, manifest });
  }
  const notices = [...packages]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([title, { directory, manifest }]) => {
      const file = readdirSync(directory).find((name) => /^licen[cs]e/i.test(name));
      const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8').trim();
      return `${title} (${manifest.license})\n\n${text}\n`;
    });
  const rule = `\n${'-'.repeat(80)}\n\n`;
  writeFileSync(
    join(outdir, 'THIRD-PARTY-NOTICES.txt'),
    `These packages are part of the files in this directory.\n${rule}${notices.join(rule)}`,
  );
}
