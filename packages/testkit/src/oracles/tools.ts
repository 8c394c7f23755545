/** Programs that interop tests compare with. Nothing is installed here; what is missing is said. */
import { spawnSync } from 'node:child_process';

/**
 * Whether all tools are there. The missing ones are named on stderr once, for the reader of a run
 * that skips tests; pass the negated result to `describe.skipIf`.
 */
export function haveTools(...names: readonly string[]): boolean {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length > 0) {
    process.stderr.write(`skipped: tests that need ${missing.join(', ')} (not installed)\n`);
  }
  return missing.length === 0;
}

function isInstalled(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;
}
