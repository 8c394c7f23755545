#!/usr/bin/env node
await import('../dist/commands/disk-io.js');
