#!/usr/bin/env node
import '../dist/commands/disk-filesystems.js';
