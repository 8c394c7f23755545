#!/usr/bin/env node
import '../dist/commands/disk-cat.js';
