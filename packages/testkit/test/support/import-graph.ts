/** Which module imports which, read from the sources. Types count: an arrow is an arrow. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { parseSync } from 'vite';

export interface SourceFile {
  /** From the workspace's root, as `packages/core/src/step.ts`. */
  readonly path: string;
  /** Directory name of its package. */
  readonly package: string;
  readonly specifiers: readonly string[];
}

export interface WorkspacePackage {
  readonly directory: string;
  readonly name: string;
  readonly dependencies: readonly string[];
}

/**
 * Layers from the bottom; a package may import those of lower layers only, so that the packages of
 * one layer do not know each other.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['bytes'],
  ['core'],
  ['crypto'],
  ['codec', 'storage', 'partition', ...formatPackages()],
  ['diskfile'],
  ['command'],
  ['disk-cat', 'disk-img', 'disk-io'],
  ['testkit'],
];
/** Shipped as one file with all it imports, so its dependencies are there for the build only. */
const BUNDLED_PACKAGES = new Set(['disk-cat', 'disk-img', 'disk-io']);
const NODE_PACKAGES = new Set([
  'storage',
  'diskfile',
  'command',
  'disk-cat',
  'disk-img',
  'disk-io',
  'testkit',
]);

/** Packages of one format each: they have a driver. */
function formatPackages(): string[] {
  const folder = join(import.meta.dirname, '../../..');
  return readdirSync(folder).filter((name) => existsSync(join(folder, name, 'src/driver.ts')));
}

/** Every specifier that a module imports or exports from, statically, dynamically or as a type. */
export function importSpecifiers(path: string, source: string): string[] {
  const { program, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const found: string[] = [];
  collectSpecifiers(program, path, found);
  return found;
}

const IMPORTING_NODES = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]);

function collectSpecifiers(node: unknown, path: string, found: string[]): void {
  if (typeof node !== 'object' || node === null) return;
  const { type, source } = node as { type?: unknown; source?: { value?: unknown } | null };
  if (typeof type === 'string' && IMPORTING_NODES.has(type) && source) {
    // What is computed at run time cannot be checked, so it is a specifier that no rule allows.
    found.push(typeof source.value === 'string' ? source.value : '<computed>');
  }
  for (const child of Object.values(node)) collectSpecifiers(child, path, found);
}

export function readPackages(root: string): WorkspacePackage[] {
  return readdirSync(join(root, 'packages')).map((directory) => {
    const manifest = JSON.parse(
      readFileSync(join(root, 'packages', directory, 'package.json'), 'utf8'),
    ) as Record<string, unknown>;
    const fields = ['dependencies', 'optionalDependencies', 'peerDependencies'];
    if (BUNDLED_PACKAGES.has(directory)) fields.push('devDependencies');
    const dependencies = fields.flatMap((field) => Object.keys(manifest[field] ?? {}));
    return { directory, name: manifest['name'] as string, dependencies };
  });
}

export function readSources(root: string, packages: readonly WorkspacePackage[]): SourceFile[] {
  return packages.flatMap(({ directory }) => {
    const folder = join(root, 'packages', directory, 'src');
    if (!existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.[cm]?ts$/.test(name) && !/\.d\.[cm]?ts$/.test(name))
      .map((name) => {
        const path = relative(root, join(folder, name));
        const specifiers = importSpecifiers(path, readFileSync(join(root, path), 'utf8'));
        return { path, package: directory, specifiers };
      });
  });
}

/** One sentence for each import that breaks a rule. */
export function wrongArrows(
  files: readonly SourceFile[],
  packages: readonly WorkspacePackage[],
): string[] {
  return files.flatMap((file) =>
    file.specifiers.flatMap((specifier) => {
      const fault = faultOf(file, specifier, packages);
      return fault === undefined ? [] : [`${file.path} imports ${specifier}: ${fault}`];
    }),
  );
}

function faultOf(
  file: SourceFile,
  specifier: string,
  packages: readonly WorkspacePackage[],
): string | undefined {
  if (specifier === '<computed>') {
    return NODE_PACKAGES.has(file.package) ? undefined : 'computed specifiers cannot be checked';
  }
  if (specifier.startsWith('.')) {
    const within = `packages/${file.package}/src/`;
    return resolveRelative(file.path, specifier).startsWith(within)
      ? undefined
      : 'relative imports stay within src';
  }
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith('node:')) return 'modules of Node are named with node:';
    return NODE_PACKAGES.has(file.package) ? undefined : 'this package runs without Node';
  }
  return faultOfBare(file, specifier, packages);
}

function faultOfBare(
  file: SourceFile,
  specifier: string,
  packages: readonly WorkspacePackage[],
): string | undefined {
  const parts = specifier.split('/');
  const name = parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  const importer = packages.find(({ directory }) => directory === file.package)!;
  if (!importer.dependencies.includes(name)) return 'it is not among the dependencies';
  const imported = packages.find((candidate) => candidate.name === name);
  if (imported === undefined) return undefined;
  if (name !== specifier) return 'packages are imported by their name alone';
  return layerOf(imported.directory) < layerOf(importer.directory)
    ? undefined
    : 'the arrow points the wrong way';
}

function layerOf(directory: string): number {
  const layer = LAYERS.findIndex((names) => names.includes(directory));
  if (layer === -1) throw new Error(`packages/${directory} is in no layer; add it to LAYERS`);
  return layer;
}

function resolveRelative(path: string, specifier: string): string {
  return join(dirname(path), specifier);
}

/** The first cycle of files that is found, as the paths along it. */
export function findCycle(files: readonly SourceFile[]): string[] | undefined {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): string[] | undefined => {
    const from = trail.indexOf(path);
    if (from !== -1) return [...trail.slice(from), path];
    const file = byPath.get(path);
    if (file === undefined || finished.has(path)) return undefined;
    trail.push(path);
    for (const specifier of file.specifiers.filter((name) => name.startsWith('.'))) {
      const cycle = visit(resolveRelative(path, specifier));
      if (cycle !== undefined) return cycle;
    }
    trail.pop();
    finished.add(path);
    return undefined;
  };
  for (const { path } of files) {
    const cycle = visit(path);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
