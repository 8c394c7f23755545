/** The options of the program. */
import type { OptionShapes } from './getopt.ts';

export const PROGRAM_OPTIONS: OptionShapes = {
  short: 'hVc:d:f:rsnCmki:t:T:U',
  long: {
    help: 'h',
    version: 'V',
    cmd: 'c:',
    format: 'f:',
    'read-only': 'r',
    snapshot: 's',
    nocache: 'n',
    'copy-on-read': 'C',
    misalign: 'm',
    'native-aio': 'k',
    aio: 'i:',
    discard: 'd:',
    cache: 't:',
    trace: 'T:',
    'force-share': 'U',
    object: 'object:',
    'image-opts': 'image-opts',
  },
};

export function usageText(name: string): string {
  return `Usage: ${name} [OPTIONS]... [-c STRING]... [file]
QEMU Disk exerciser

  --object OBJECTDEF   define an object such as 'secret' for
                       passwords and/or encryption keys
  --image-opts         treat file as option string
  -c, --cmd STRING     execute command with its arguments
                       from the given string
  -f, --format FMT     specifies the block driver to use
  -r, --read-only      export read-only
  -s, --snapshot       use snapshot file
  -n, --nocache        disable host cache, short for -t none
  -C, --copy-on-read   enable copy-on-read
  -m, --misalign       misalign allocations for O_DIRECT
  -k, --native-aio     use kernel AIO implementation
                       (Linux only, prefer use of -i)
  -i, --aio=MODE       use AIO mode (threads, native or io_uring)
  -t, --cache=MODE     use the given cache mode for the image
  -d, --discard=MODE   use the given discard mode for the image
  -T, --trace [[enable=]<pattern>][,events=<file>][,file=<file>]
                       specify tracing options
                       see qemu-img(1) man page for full description
  -U, --force-share    force shared permissions
  -h, --help           display this help and exit
  -V, --version        output version information and exit

See '${name} -c help' for information on available commands.
`;
}
