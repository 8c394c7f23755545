// Bundles the commands; see the module for how.
import { resolve } from 'node:path';
import { bundleCommands } from '../../../scripts/bundle/bundle-commands.mjs';

await bundleCommands({
  root: resolve(import.meta.dirname, '..'),
  atOnce: ['cli/main', 'guest/opening'],
  plugins: [leaveOutEncoders()],
});

/** These commands only read; what compresses would be loaded by every start for nothing. */
function leaveOutEncoders() {
  return {
    name: 'leave-out-encoders',
    setup({ onLoad }) {
      const names = ['encoders', 'makeEncoders', 'encoderImplementations'];
      onLoad({ filter: /codec[\\/]dist[\\/]encoders\.js$/ }, () => ({
        contents: names.map((name) => `export const ${name} = () => undefined;`).join('\n'),
      }));
    },
  };
}
