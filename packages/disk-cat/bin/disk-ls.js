#!/usr/bin/env node
import '../dist/commands/disk-ls.js';
