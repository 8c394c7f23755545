// Modules of Node, without the cost of importing them.
import { builtinModules, createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const ANY = new RegExp(`^(node:.*|${builtinModules.join('|')})$`);
/** Loaded by the first call of a function of theirs, and used for functions alone. */
const LAZY = new Set(['node:crypto', 'node:module']);

/**
 * Modules of Node are asked for directly. Importing them costs milliseconds: it reads every export
 * of each, and some of those load further modules.
 * @returns {import('esbuild').Plugin}
 */
export function askForBuiltins() {
  return {
    name: 'ask-for-builtins',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: ANY }, ({ path, kind }) => ({
        path,
        namespace: kind === 'require-call' ? 'builtin-required' : 'builtin',
        sideEffects: false,
      }));
      onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({ contents: imported(path) }));
      onLoad({ filter: /.*/, namespace: 'builtin-required' }, ({ path }) => ({
        // Commander would load this one for subcommands that are programs; nothing here starts one.
        contents: path === 'node:child_process' ? '' : `module.exports = ${asked(path)};`,
      }));
    },
  };
}

/** Of these exports, those that nobody imports are left out by the bundler. */
function imported(path) {
  const isLazy = LAZY.has(path);
  const own = isLazy ? `const own = () => ${asked(path)};` : `const own = ${asked(path)};`;
  const names = Object.keys(require(path)).filter((name) => name !== 'default');
  const exports = names.map((name, index) => {
    const value = isLazy
      ? `(...args) => own().${name}(...args)`
      : `/* @__PURE__ */ (() => own.${name})()`;
    return `const x${index} = ${value}; export { x${index} as ${name} };`;
  });
  return [own, ...exports, isLazy ? '' : 'export default own;'].join('\n');
}

function asked(path) {
  return `/* @__PURE__ */ process.getBuiltinModule(${JSON.stringify(path)})`;
}
