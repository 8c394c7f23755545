#!/usr/bin/env node
await import('../dist/commands/disk-img.js');
