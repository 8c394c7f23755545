// Bundles the commands; see the module for how.
import { resolve } from 'node:path';
import { bundleCommands } from '../../../scripts/bundle/bundle-commands.mjs';

await bundleCommands({
  root: resolve(import.meta.dirname, '..'),
  atOnce: ['cli/main', 'guest/opening'],
});
