import { defineConfig } from 'vitest/config';

/**
 * Packages resolve to their sources, so that a test failure points into TypeScript. Tests of what
 * only exists when built (commands, worker threads) import from `dist` and spawn processes.
 */
const alias = [
  {
    find: /^@diskfile\/([a-z0-9-]+)$/,
    replacement: `${import.meta.dirname}/packages/$1/src/index.ts`,
  },
  { find: /^diskfile$/, replacement: `${import.meta.dirname}/packages/diskfile/src/index.ts` },
];

const project = (name: string, include: string[], testTimeout: number) => ({
  resolve: { alias },
  test: {
    name,
    include,
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout,
    hookTimeout: testTimeout,
  },
});

export default defineConfig({
  test: {
    projects: [
      {
        ...project('unit', ['packages/*/test/**/*.test.ts'], 60_000),
        test: {
          ...project('unit', ['packages/*/test/**/*.test.ts'], 60_000).test,
          exclude: [
            '**/node_modules/**',
            '**/dist/**',
            '**/*.interop.test.ts',
            '**/imports.test.ts',
          ],
        },
      },
      project('imports', ['packages/testkit/test/imports.test.ts'], 60_000),
      project('interop', ['packages/*/test/**/*.interop.test.ts'], 900_000),
    ],
  },
});
