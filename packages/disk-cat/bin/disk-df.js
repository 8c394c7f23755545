#!/usr/bin/env node
import '../dist/commands/disk-df.js';
