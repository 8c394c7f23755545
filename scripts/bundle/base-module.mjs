// One file of all that it takes to open a disk, which every command loads first.
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const FILE = './base.js';
const NAME = 'base-module';

/**
 * Split by who uses what, these modules would be some thirty files, and to load a file takes as
 * long as to compile 20 KB. So they are put together, and everything else imports them from there.
 * @param {import('esbuild').BuildOptions} options what all builds have in common
 * @param {string[]} roots modules that belong to the base with all that they import
 * @returns {Promise<{ entryPoints: { in: string, out: string }[], plugin: import('esbuild').Plugin,
 *   elsewhere: (path: string, name: string) => { path: string, name: string } | undefined,
 *   metafile: import('esbuild').Metafile }>} what to build the rest with
 */
export async function buildBase(options, roots) {
  const modules = new Map();
  for (const path of await staticModules(options, roots)) {
    const names = Object.keys(await import(pathToFileURL(path)));
    modules.set(
      path,
      names.map((name) => ({ name, as: `m${modules.size}_${name}` })),
    );
  }
  const entryPoints = new Map();
  const { metafile } = await build({
    ...options,
    entryPoints: [{ in: `${NAME}:`, out: basename(FILE, '.js') }],
    splitting: false,
    plugins: [exportAll(modules), leaveToOthers(entryPoints), ...options.plugins],
  });
  return {
    metafile,
    // Beside the base, as all that is built with it.
    plugin: {
      name: 'base-is-there',
      setup: ({ onResolve }) => {
        const found = { path: FILE, external: true, sideEffects: false };
        onResolve({ filter: new RegExp(`^${NAME}:$`) }, () => found);
      },
    },
    elsewhere: (path, name) => {
      const found = modules.get(path)?.find((each) => each.name === name);
      return found && { path: `${NAME}:`, name: found.as };
    },
    entryPoints: [...entryPoints].map(([path, out]) => ({ in: path, out })),
  };
}

/** What `roots` import, directly or not, and of which anything is left in the end. */
async function staticModules(options, roots) {
  const { metafile } = await build({
    ...options,
    entryPoints: roots,
    write: false,
    sourcemap: false,
  });
  const { inputs, outputs } = metafile;
  const kept = new Set(
    Object.values(outputs).flatMap((output) =>
      Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) =>
        bytesInOutput > 0 ? [path] : [],
      ),
    ),
  );
  const found = new Set();
  const visit = (path) => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind } of inputs[path]?.imports ?? []) {
      if (kind === 'import-statement') visit(next);
    }
  };
  const absolute = (path) => resolve(options.absWorkingDir, path);
  for (const path of Object.keys(inputs)) if (roots.includes(absolute(path))) visit(path);
  return [...found]
    .filter((path) => kept.has(path) && !/node_modules|^[\w-]{2,}:/.test(path))
    .map(absolute);
}

/** The base's entry: everything that its modules export, under names that tell them apart. */
function exportAll(modules) {
  return {
    name: 'export-all',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: new RegExp(`^${NAME}:$`) }, ({ path }) => ({ path, namespace: NAME }));
      onLoad({ filter: /.*/, namespace: NAME }, () => ({
        contents: [...modules]
          .map(([path, names]) => {
            const list = names.map(({ name, as }) => `${name} as ${as}`).join(', ');
            return `export { ${list} } from ${JSON.stringify(path)};`;
          })
          .join('\n'),
        resolveDir: import.meta.dirname,
      }));
    },
  };
}

/** Modules that the base loads only when it needs them are no part of it, and built with the rest. */
function leaveToOthers(entryPoints) {
  return {
    name: 'leave-to-others',
    setup(esbuild) {
      esbuild.onResolve({ filter: /^[^/]/ }, async ({ path, kind, resolveDir, pluginData }) => {
        if (kind !== 'dynamic-import' || pluginData === NAME) return undefined;
        const found = await esbuild.resolve(path, { kind, resolveDir, pluginData: NAME });
        if (found.external || found.namespace !== 'file') return found;
        const out = `lazy-${basename(found.path, '.js')}`;
        entryPoints.set(found.path, out);
        return { path: `./${out}.js`, external: true };
      });
    },
  };
}
