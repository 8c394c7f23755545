#!/usr/bin/env node
// Traces are asked for with --verbose; reading the source maps takes its time.
if (process.argv.some((argument) => /^(--verbose|-[A-Za-z]*v[A-Za-z]*)$/.test(argument))) {
  process.setSourceMapsEnabled(true);
}
await import('../dist/commands/disk-tar.js');
