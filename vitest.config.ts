import { defineConfig } from 'vitest/config';

/**
 * Packages resolve to their sources, so that a test failure points into TypeScript. Tests of what
 * only exists when built (commands, worker threads) import from `dist` and spawn processes.
 */
const packages = `${import.meta.dirname}/packages`;
const alias = [
  { find: /^@diskfile\/([a-z0-9-]+)$/, replacement: `${packages}/$1/src/index.ts` },
  { find: /^diskfile$/, replacement: `${packages}/diskfile/src/index.ts` },
];

/** A machine-readable report beside the usual one, for the gate. */
const report = process.env['VITEST_JSON'];

const project = (name: string, include: string, exclude: string[], timeout: number) => ({
  resolve: { alias },
  test: {
    name,
    include: [include],
    exclude: ['**/node_modules/**', '**/dist/**', ...exclude],
    testTimeout: timeout,
    hookTimeout: timeout,
  },
});

const INTEROP = 'packages/*/test/**/*.interop.test.ts';
const IMPORTS = 'packages/testkit/test/imports.test.ts';

export default defineConfig({
  test: {
    // One core is left free otherwise, which is half of a machine with two.
    maxWorkers: '100%',
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      project('unit', 'packages/*/test/**/*.test.ts', [INTEROP, IMPORTS], 60_000),
      project('imports', IMPORTS, [], 60_000),
      project('interop', INTEROP, [], 900_000),
    ],
  },
});
