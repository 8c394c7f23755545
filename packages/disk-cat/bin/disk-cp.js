#!/usr/bin/env node
import '../dist/commands/disk-cp.js';
