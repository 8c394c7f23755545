/** The help. */
import type { Program } from './program.ts';

const SYNTAX = [
  'amend [-p] [-q] [-f fmt] [--output=ofmt] [-t cache] [--force] -o options filename',
  'bench [-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] [-o offset] [--output=ofmt] [--pattern=pattern] [-q] [-s buffer_size] [-S step_size] [-t cache] [-w] [-U] filename',
  'bitmap (--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b source_file [-F source_fmt]] [-g granularity] [-f fmt] [--output=ofmt] filename bitmap',
  'check [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] filename',
  'commit [-q] [-f fmt] [-t cache] [-b base] [--output=ofmt] [-r rate_limit] [-d] [-p] filename',
  'compare [-f fmt] [-F fmt] [--output=ofmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2',
  'convert [--target-image-opts] [--target-is-zero] [--bitmaps [--skip-broken-bitmaps]] [-U] [-C] [-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file [-F backing_fmt]] [-o options] [--output=ofmt] [-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] [-W] [--salvage] filename [filename2 [...]] output_filename',
  'create [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] [--output=ofmt] filename [size]',
  'dd [-U] [-f fmt] [-O output_fmt] [--output=ofmt] [bs=block_size] [count=blocks] [skip=blocks] if=input of=output',
  'diff [--files] [-f fmt] [-F fmt] [--output=ofmt] [-p] [-q] [-U] filename1 filename2',
  'digest [-f fmt] [--output=ofmt] [-U] filename',
  'flatten [-f fmt] [--output=ofmt] [-p] [-q] filename',
  'fork [-f fmt] [--output=ofmt] [-q] filename base [clone]',
  'info [-f fmt] [--output=ofmt] [--backing-chain] [-U] filename',
  'map [-f fmt] [--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] filename',
  'measure [--output=ofmt] [-O output_fmt] [-o options] [--size N | [-f fmt] [-l snapshot_param] filename]',
  'rebase [-U] [-q] [-f fmt] [--output=ofmt] [-t cache] [-T src_cache] [-p] [-u] -b backing_file [-F backing_fmt] filename',
  'resize [-f fmt] [--output=ofmt] [--preallocation=prealloc] [-q] [--shrink] filename [+ | -]size',
  'snapshot [-U] [-q] [--output=ofmt] [-l | -a snapshot | -c snapshot | -d snapshot] filename',
];

/** What a document of JSON holds, where the command does not make or change an image. */
const DOCUMENTS: Readonly<Record<string, string>> = {
  bench: 'the figures',
  check: 'what was found',
  commit: "what 'info' tells of the image that was written to",
  compare: 'what was found',
  diff: 'the differences',
  digest: 'the hash',
  fork: "what 'info' tells of each overlay",
  info: 'what the image is',
  map: 'the ranges',
  measure: 'the sizes',
  snapshot: "with -l the list, without it what 'info' tells of the image",
};
const OF_IMAGES = "what 'info' tells of the image as it is then";

/** An option that qemu-img has for some commands only. */
const OUTPUT = '[--output=ofmt] ';
const QEMU_OUTPUTS: ReadonlySet<string> = new Set(['check', 'info', 'map', 'measure']);

/** @param command the one that the help is about, where it is about one */
export function helpText({ name, isLookAlike }: Program, command?: string): string {
  const own = SYNTAX.find((syntax) => commandOf(syntax) === command);
  if (own !== undefined && !isLookAlike) return commandHelp(name, own);
  const lines = [
    `usage: ${name} [standard options] command [command options]`,
    'Works on disk images, in the language of qemu-img.',
    '',
    "    '-h', '--help'       display this help and exit",
    "    '-V', '--version'    output version information and exit",
    '',
    ...(isLookAlike ? [] : [...OWN_OPTIONS, '']),
    'Command syntax:',
    ...SYNTAX.map((syntax) => `  ${isLookAlike ? withoutOwn(syntax) : syntax}`),
  ];
  return `${lines.join('\n')}\n`;
}

const OWN_OPTIONS = [
  'All commands take --json-lines: progress as JSON on standard error; and --output=json: one',
  'document of JSON on standard output, warnings and failures as lines of JSON on standard error.',
];

function commandHelp(name: string, syntax: string): string {
  const document = DOCUMENTS[commandOf(syntax)] ?? OF_IMAGES;
  return (
    `usage: ${name} ${syntax}\n` +
    `--output=json prints as JSON ${document}, and failures on standard error.\n`
  );
}

function withoutOwn(syntax: string): string {
  return QEMU_OUTPUTS.has(commandOf(syntax)) ? syntax : syntax.replace(OUTPUT, '');
}

function commandOf(syntax: string): string {
  return syntax.split(' ')[0]!;
}
