/** Images to be damaged, made by the genuine tools. All have 64 guest clusters or more. */
import type { QemuDirectory } from '@diskfile/testkit';

export type RecipeName = keyof typeof RECIPES;

const WRITES = [
  'write -P 1 0 40k',
  'write -P 2 100k 9k',
  'write -P 3 300k 70k',
  'write -P 4 900k 20k',
  'write -z 500k 64k',
];

/** The same for clusters of 64 KiB. */
const LARGE_WRITES = [
  'write -P 1 0 640k',
  'write -P 2 1600k 140k',
  'write -P 3 3M 700k',
  'write -P 4 7M 320k',
  'write -z 5M 640k',
];

function create(directory: QemuDirectory, name: string, options: string, size = '1M'): void {
  directory.img('create', '-q', '-f', 'qcow2', '-o', options, name, size);
}

function simple(options: string, writes = WRITES, size?: string) {
  return (directory: QemuDirectory, name: string) => {
    create(directory, name, options, size);
    directory.io(name, writes);
  };
}

function compressed(options: string) {
  return (directory: QemuDirectory, name: string) => {
    create(directory, 'plain', 'cluster_size=4k');
    directory.io('plain', WRITES);
    directory.img('convert', '-c', '-O', 'qcow2', '-o', options, 'plain', name);
    directory.io(name, ['write -P 7 200k 20k']);
  };
}

export const RECIPES = {
  small: simple('cluster_size=4k'),
  smallest: simple('cluster_size=512'),
  usual: simple('cluster_size=64k', LARGE_WRITES, '8M'),
  old: simple('compat=0.10,cluster_size=4k'),
  narrow: simple('cluster_size=4k,refcount_bits=1'),
  byte: simple('cluster_size=4k,refcount_bits=8'),
  wide: simple('cluster_size=4k,refcount_bits=64'),
  lazy: simple('cluster_size=4k,lazy_refcounts=on'),
  extended: simple('cluster_size=16k,extended_l2=on', LARGE_WRITES, '8M'),
  preallocated: simple('cluster_size=4k,preallocation=metadata'),
  compressed: compressed('cluster_size=4k'),
  compressedExtended: compressed('cluster_size=16k,extended_l2=on'),
  external: simple('cluster_size=4k,data_file=data.raw'),
  backed(directory: QemuDirectory, name: string) {
    create(directory, 'base', 'cluster_size=64k');
    directory.io('base', ['write -P 9 0 1M']);
    directory.img(
      'create',
      '-q',
      '-f',
      'qcow2',
      '-o',
      'cluster_size=4k',
      '-b',
      'base',
      '-F',
      'qcow2',
      name,
    );
    directory.io(name, WRITES);
  },
  snapshots(directory: QemuDirectory, name: string) {
    simple('cluster_size=4k')(directory, name);
    directory.img('snapshot', '-c', 'one', name);
    directory.io(name, ['write -P 5 8k 20k']);
    directory.img('snapshot', '-c', 'two', name);
    directory.io(name, ['write -P 6 300k 9k']);
  },
  oldSnapshots(directory: QemuDirectory, name: string) {
    simple('compat=0.10,cluster_size=4k')(directory, name);
    directory.img('snapshot', '-c', 'one', name);
    directory.io(name, ['write -P 5 8k 20k']);
  },
  bitmaps(directory: QemuDirectory, name: string) {
    create(directory, name, 'cluster_size=4k');
    directory.img('bitmap', '--add', name, 'first');
    directory.img('bitmap', '--add', '-g', '512', name, 'second');
    directory.io(name, WRITES);
  },
} satisfies Record<string, (directory: QemuDirectory, name: string) => void>;

/** Files that images of some recipes need beside them. */
export const COMPANIONS = ['base', 'data.raw'];
