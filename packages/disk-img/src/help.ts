/** The help. */
import type { Program } from './program.ts';

const SYNTAX = [
  'check [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] filename',
  'create [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size]',
  'info [-f fmt] [--output=ofmt] [--backing-chain] [-U] filename',
  'map [-f fmt] [--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] filename',
  'resize [-f fmt] [--preallocation=prealloc] [-q] [--shrink] filename [+ | -]size',
  'snapshot [-U] [-q] [-l | -a snapshot | -c snapshot | -d snapshot] filename',
];

export function helpText({ name }: Program): string {
  const lines = [
    `usage: ${name} [standard options] command [command options]`,
    'Works on disk images, in the language of qemu-img.',
    '',
    "    '-h', '--help'       display this help and exit",
    "    '-V', '--version'    output version information and exit",
    '',
    'Command syntax:',
    ...SYNTAX.map((syntax) => `  ${syntax}`),
  ];
  return `${lines.join('\n')}\n`;
}
