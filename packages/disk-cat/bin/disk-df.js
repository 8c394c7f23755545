#!/usr/bin/env node
// Traces are asked for with --verbose; reading the source maps takes its time.
if (process.argv.includes('--verbose')) process.setSourceMapsEnabled(true);
await import('../dist/commands/disk-df.js');
