// What a start of a command seldom needs, loaded by the first call of one of its functions.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * What a driver is made of besides its names and its probe. Whatever else `driver.js` imports is
 * needed to recognise an image.
 */
const DRIVER_PARTS =
  /^\.\/(?:.*\/)?(?:open|create|measure|check(?:-[\w-]+)?|[\w-]+-content|change-[\w-]+|new-[\w-]+)\.js$/;
/** Most images are read, and are of this format: a file less is loaded for them. */
const USUAL = join('qcow2', 'dist', 'open.js');
const OTHER_PARTS = {
  decoders: ['codec/dist/decoders.js'],
  encoders: ['codec/dist/encoders.js'],
  words: ['command/dist/disk-words.js', 'command/dist/corruption-words.js'],
  graph: ['diskfile/dist/graph/open-graph.js'],
  qcow2: ['qcow2/dist/open-writer.js'],
  'qcow2-encryption': ['qcow2/dist/open-encryption.js'],
};
/** Parts that are large enough to be loaded alone. */
const ALONE = { qcow2: /^(?:check|change|create|measure)/ };
const IMPORTS = /^(?:import|export)\b[^;]*?\bfrom '([^']+)';/gm;
const UNIT = 'deferred';

/**
 * A start meets one or two of all formats, and compiling the others would take most of it. So each
 * is an entry point of its own, loaded by `require()`, which is synchronous as opening a disk can be.
 * @param {string} packages the directory of all packages
 * @returns {{ entryPoints: { in: string, out: string }[], stubs: import('esbuild').Plugin,
 *   units: import('esbuild').Plugin }} `stubs` for the modules that are to do without, `units` for
 *   what they load, which lies beside them
 */
export function deferParts(packages) {
  const units = unitsOf(packages);
  const unitOf = new Map(
    [...units].flatMap(([name, modules]) => modules.map((path) => [path, name])),
  );
  return {
    entryPoints: [...units.keys()].map((name) => ({ in: `${UNIT}:${name}`, out: fileName(name) })),
    units: {
      name: 'deferred-units',
      setup({ onResolve, onLoad }) {
        onResolve({ filter: new RegExp(`^${UNIT}:`) }, ({ path }) => ({
          path: path.slice(UNIT.length + 1),
          namespace: UNIT,
        }));
        onLoad({ filter: /.*/, namespace: UNIT }, ({ path: name }) => ({
          contents: units
            .get(name)
            .map((path) => `export * from ${JSON.stringify(path)};`)
            .join(''),
          resolveDir: packages,
        }));
      },
    },
    stubs: {
      name: 'deferred-stubs',
      setup({ onLoad }) {
        onLoad({ filter: /\.js$/ }, async ({ path }) => {
          if (!unitOf.has(path)) return undefined;
          const functions = await import(pathToFileURL(path));
          return { contents: stubs(path, unitOf.get(path), functions), resolveDir: packages };
        });
      },
    },
  };
}

function fileName(unit) {
  return `deferred-${unit}`;
}

/** Functions of the same names, for those of a module. */
function stubs(path, unit, functions) {
  const bodies = Object.entries(functions).map(([name, value]) => {
    if (typeof value !== 'function' || /^class\b/.test(value)) {
      throw new Error(`${path} exports ${name}, which is not a function and cannot be deferred`);
    }
    // Of a generator function, too: what comes back is its generator.
    return `export function ${name}(...args) { return load().${name}(...args); }`;
  });
  return [
    "import { createRequire } from 'node:module';",
    `const load = () => createRequire(import.meta.url)('./${fileName(unit)}.js');`,
    ...bodies,
  ].join('\n');
}

function unitsOf(packages) {
  const units = new Map();
  const add = (unit, path) => units.set(unit, [...(units.get(unit) ?? []), path]);
  for (const name of importsOf(join(packages, 'diskfile/dist/formats.js'))) {
    if (!name.startsWith('@diskfile/')) continue;
    const unit = name.slice('@diskfile/'.length);
    const driver = join(packages, unit, 'dist/driver.js');
    for (const part of importsOf(driver)) {
      const path = join(dirname(driver), part);
      if (DRIVER_PARTS.test(part) && !path.endsWith(USUAL)) add(unitOfPart(unit, part), path);
    }
  }
  for (const [unit, parts] of Object.entries(OTHER_PARTS)) {
    for (const part of parts) add(unit, join(packages, part));
  }
  return units;
}

function unitOfPart(unit, part) {
  const [kind] = ALONE[unit]?.exec(basename(part)) ?? [];
  return kind === undefined ? unit : `${unit}-${kind}`;
}

function importsOf(path) {
  return [...readFileSync(path, 'utf8').matchAll(IMPORTS)].map(([, specifier]) => specifier);
}
