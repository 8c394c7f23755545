// Imports and exports by way of a package's index, pointed at the modules that have what is asked for.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const NAMED =
  /\b(import|export)\s*\{([^}]*)\}\s*from\s*["'](@diskfile\/[\w-]+|diskfile|\.[^"']*)["'];/g;
const NAMED_EXPORT = /\bexport\s*\{([^}]*)\}\s*from\s*["']([^"']+)["'];/g;

/**
 * The bundler places whole modules: what is imported by way of an index brings along all that
 * anybody imports by way of it. So the index is left out.
 * @param {string} packages the directory of all packages
 * @param {(path: string, name: string) => { path: string, name: string } | undefined} [elsewhere]
 *   where else to get what a module exports
 * @returns {import('esbuild').Plugin}
 */
export function directImports(packages, elsewhere = () => undefined) {
  const indexes = new Map();
  const indexOf = (name) => join(packages, name.replace('@diskfile/', ''), 'dist/index.js');
  const originOf = (index, name) => {
    if (!indexes.has(index)) indexes.set(index, exportsOf(index));
    const found = indexes.get(index).get(name);
    if (found === undefined) throw new Error(`${index} has no export named ${name}`);
    if (found.from.startsWith('.'))
      return { path: join(dirname(index), found.from), name: found.name };
    return originOf(indexOf(found.from), found.name);
  };
  const direct = (source, importer) =>
    source.replaceAll(NAMED, (_, kind, names, from) =>
      specifiers(names)
        .map(({ name, as }) => {
          const origin = from.startsWith('.')
            ? { path: join(dirname(importer), from), name }
            : originOf(indexOf(from), name);
          const { path, name: its } = elsewhere(origin.path, origin.name) ?? origin;
          return `${kind} { ${its} as ${as} } from ${JSON.stringify(path)};`;
        })
        .join(' '),
    );
  return {
    name: 'direct-imports',
    setup({ onLoad }) {
      onLoad({ filter: /packages[\\/][\w-]+[\\/]dist[\\/].*\.js$/ }, async ({ path }) => ({
        contents: direct(await readFile(path, 'utf8'), path),
      }));
    },
  };
}

/** Where each export of an index comes from. */
function exportsOf(index) {
  const origins = new Map();
  for (const [, names, from] of readFileSync(index, 'utf8').matchAll(NAMED_EXPORT)) {
    for (const { name, as } of specifiers(names)) origins.set(as, { from, name });
  }
  return origins;
}

function specifiers(list) {
  return list
    .split(',')
    .map((each) => each.trim().split(/\s+as\s+/))
    .filter(([name]) => name !== '')
    .map(([name, as = name]) => ({ name, as }));
}
