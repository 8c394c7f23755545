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

interface ProjectOptions {
  readonly exclude?: string[];
  /** In milliseconds. */
  readonly timeout?: number;
  readonly isolate?: boolean;
  readonly setupFiles?: string[];
}

/** A machine-readable report beside the usual one, for the gate. */
const report = process.env['VITEST_JSON'];

/**
 * The files that a worker runs share their modules, which takes half of the time of loading them
 * anew for each. Tests that put something in the place of a module have a project of their own.
 */
const project = (
  name: string,
  include: string,
  { exclude = [], timeout = 60_000, isolate = false, setupFiles = [] }: ProjectOptions,
) => ({
  resolve: { alias },
  test: {
    name,
    isolate,
    include: [include],
    exclude: ['**/node_modules/**', '**/dist/**', ...exclude],
    testTimeout: timeout,
    hookTimeout: timeout,
    setupFiles,
  },
});

const INTEROP = 'packages/*/test/**/*.interop.test.ts';
const ISOLATED = 'packages/*/test/**/*.isolated.test.ts';
const PATIENT_TOOLS = 'packages/testkit/src/oracles/patient-tools.ts';
const IMPORTS = 'packages/testkit/test/imports.test.ts';

export default defineConfig({
  test: {
    // One core is left free otherwise, which is half of a machine with two.
    maxWorkers: '100%',
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      project('unit', 'packages/*/test/**/*.test.ts', { exclude: [INTEROP, ISOLATED, IMPORTS] }),
      project('isolated', ISOLATED, { isolate: true }),
      project('imports', IMPORTS, {}),
      project('interop', INTEROP, { timeout: 900_000, setupFiles: [PATIENT_TOOLS] }),
    ],
  },
});
