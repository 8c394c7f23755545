/** The direction of imports that ARCHITECTURE.md promises. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  findCycle,
  importSpecifiers,
  readPackages,
  readSources,
  type SourceFile,
  wrongArrows,
} from './support/import-graph.ts';

const root = join(import.meta.dirname, '../../..');
const packages = readPackages(root);

const file = (directory: string, ...specifiers: string[]): SourceFile => ({
  path: `packages/${directory}/src/x.ts`,
  package: directory,
  specifiers,
});

describe('the import graph of packages/*/src', () => {
  const files = readSources(root, packages);

  it('has been read', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(files.filter(({ specifiers }) => specifiers.includes('@diskfile/bytes')).length) //
      .toBeGreaterThan(10);
  });

  it('has no arrow that points the wrong way', () => {
    expect(wrongArrows(files, packages)).toEqual([]);
  });

  it('has no cycle', () => {
    expect(findCycle(files)).toBeUndefined();
  });
});

describe('the reader of imports', () => {
  it('finds every kind, and none in comments and strings', () => {
    const source = `
      // import 'in-a-comment';
      import type { A } from 'a';
      import b, { type B } from 'b';
      import 'c';
      export * from 'd';
      export { type E } from 'e';
      export const text = "import 'in-a-string'";
      export type F = import('f').F;
      export const g = () => import('g');
      export const h = (name: string) => import(name);
    `;
    expect(importSpecifiers('x.ts', source)).toEqual(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g', '<computed>'], //
    );
  });

  it.each([
    ['core', '@diskfile/storage', 'not among the dependencies'],
    ['core', '../../bytes/src/index.ts', 'stay within src'],
    ['qcow2', '@diskfile/raw', 'not among the dependencies'],
    ['qcow2', 'node:fs', 'runs without Node'],
    ['storage', 'fs', 'named with node:'],
    ['ext4', '<computed>', 'cannot be checked'],
    ['raw', '@diskfile/core/dist/index.js', 'by their name alone'],
    ['bytes', 'left-pad', 'not among the dependencies'],
  ])('%s must not import %s', (directory, specifier, fault) => {
    expect(wrongArrows([file(directory, specifier)], packages)).toEqual([
      expect.stringContaining(fault),
    ]);
  });

  it.each([
    ['core', 'raw'],
    ['raw', 'storage'],
    ['diskfile', 'disk-cat'],
    ['bytes', 'bytes'],
  ])('%s must not import %s even when it is declared', (from, to) => {
    const name = packages.find(({ directory }) => directory === to)!.name;
    const declared = packages.map((item) => ({ ...item, dependencies: [name] }));
    expect(wrongArrows([file(from, name)], declared)).toEqual([
      expect.stringContaining('the wrong way'),
    ]);
  });

  it.each([
    ['raw', '@diskfile/core'],
    ['storage', 'node:fs'],
    ['testkit', 'diskfile'],
    ['core', './step.ts'],
  ])('%s may import %s', (directory, specifier) => {
    expect(wrongArrows([file(directory, specifier)], packages)).toEqual([]);
  });

  it('finds a cycle of files', () => {
    const at = (name: string, ...specifiers: string[]): SourceFile => ({
      path: `packages/core/src/${name}`,
      package: 'core',
      specifiers,
    });
    const files = [at('a.ts', './b/b.ts'), at('b/b.ts', '../c.ts'), at('c.ts', './a.ts')];
    expect(findCycle(files)).toEqual(
      ['a.ts', 'b/b.ts', 'c.ts', 'a.ts'].map((name) => `packages/core/src/${name}`),
    );
    expect(findCycle(files.slice(0, 2))).toBeUndefined();
  });
});
