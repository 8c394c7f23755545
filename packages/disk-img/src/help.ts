/** The help. */
import type { Program } from './program.ts';

const SYNTAX = [
  'amend [-p] [-q] [-f fmt] [-t cache] [--force] -o options filename',
  'bench [-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] [-o offset] [--pattern=pattern] [-q] [-s buffer_size] [-S step_size] [-t cache] [-w] [-U] filename',
  'bitmap (--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b source_file [-F source_fmt]] [-g granularity] [-f fmt] filename bitmap',
  'check [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] filename',
  'commit [-q] [-f fmt] [-t cache] [-b base] [-r rate_limit] [-d] [-p] filename',
  'compare [-f fmt] [-F fmt] [--output=ofmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2',
  'convert [--target-image-opts] [--target-is-zero] [--bitmaps [--skip-broken-bitmaps]] [-U] [-C] [-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file [-F backing_fmt]] [-o options] [-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] [-W] [--salvage] filename [filename2 [...]] output_filename',
  'create [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size]',
  'dd [-U] [-f fmt] [-O output_fmt] [bs=block_size] [count=blocks] [skip=blocks] if=input of=output',
  'diff [--files] [-f fmt] [-F fmt] [--output=ofmt] [-p] [-q] [-U] filename1 filename2',
  'digest [-f fmt] [--output=ofmt] [-U] filename',
  'flatten [-f fmt] [-p] [-q] filename',
  'fork [-f fmt] [-q] filename base [clone]',
  'info [-f fmt] [--output=ofmt] [--backing-chain] [-U] filename',
  'map [-f fmt] [--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] filename',
  'measure [--output=ofmt] [-O output_fmt] [-o options] [--size N | [-f fmt] [-l snapshot_param] filename]',
  'rebase [-U] [-q] [-f fmt] [-t cache] [-T src_cache] [-p] [-u] -b backing_file [-F backing_fmt] filename',
  'resize [-f fmt] [--preallocation=prealloc] [-q] [--shrink] filename [+ | -]size',
  'snapshot [-U] [-q] [--output=ofmt] [-l | -a snapshot | -c snapshot | -d snapshot] filename',
];

/** @param command the one that the help is about, where it is about one */
export function helpText({ name, isLookAlike }: Program, command?: string): string {
  const own = SYNTAX.find((syntax) => syntax.split(' ')[0] === command);
  if (own !== undefined && !isLookAlike) return `usage: ${name} ${own}\n`;
  const lines = [
    `usage: ${name} [standard options] command [command options]`,
    'Works on disk images, in the language of qemu-img.',
    '',
    "    '-h', '--help'       display this help and exit",
    "    '-V', '--version'    output version information and exit",
    '',
    ...(isLookAlike
      ? []
      : ['All commands take --json-lines: progress as JSON on standard error.', '']),
    'Command syntax:',
    ...SYNTAX.map((syntax) => `  ${syntax}`),
  ];
  return `${lines.join('\n')}\n`;
}
