#!/usr/bin/env node
import '../dist/commands/disk-info.js';
