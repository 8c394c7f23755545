#!/usr/bin/env node
import '../dist/commands/disk-tar.js';
