// Bundles each command with everything it uses, so that it starts fast and installs alone.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const outdir = join(root, 'dist/commands');
const commands = readdirSync(join(root, 'src')).filter((name) => name.startsWith('disk-'));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(outdir, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: commands.map((name) => join('src', name)),
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  legalComments: 'none',
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  define: { DISK_CAT_VERSION: JSON.stringify(version) },
  // Commander would load it for subcommands that are programs; nothing here starts a process.
  alias: { 'node:child_process': './scripts/no-child-process.mjs' },
  // Packages in CommonJS ask for modules of Node by require().
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  chunkNames: 'chunks/[name]-[hash]',
  logLevel: 'warning',
});
writeNotices(metafile);

/** The licences of what ended up in the bundle, as these ask for. */
function writeNotices({ inputs }) {
  const packages = new Map();
  for (const input of Object.keys(inputs)) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match === null) continue;
    const directory = resolve(root, match[1]);
    const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    packages.set(`${manifest.name} ${manifest.version}`, { directory, manifest });
  }
  const notices = [...packages]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([title, { directory, manifest }]) => {
      const file = readdirSync(directory).find((name) => /^licen[cs]e/i.test(name));
      const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8').trim();
      return `${title} (${manifest.license})\n\n${text}\n`;
    });
  const rule = `\n${'-'.repeat(80)}\n\n`;
  writeFileSync(
    join(outdir, 'THIRD-PARTY-NOTICES.txt'),
    `These packages are part of the files in this directory.\n${rule}${notices.join(rule)}`,
  );
}
