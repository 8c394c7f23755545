/** Chains of three images, and one beside them, for interop tests of what is done to chains. */
import { type QemuDirectory, SeededRandom, writeMixedPayload } from '@diskfile/testkit';
import { type Below, makeImage, type Qcow2Options } from './qcow2-chain.ts';

const plain: Qcow2Options = {
  clusterBits: 16,
  version: 3,
  data: 'plain',
  refcountBits: 16,
  extendedL2: false,
  dataFile: 'none',
};

/** What the images are, and their sizes in MiB. */
export interface Scenario {
  readonly top: Partial<Qcow2Options>;
  readonly middle: Partial<Qcow2Options>;
  readonly sizes: {
    readonly base: number;
    readonly middle: number;
    readonly top: number;
    readonly other: number;
  };
  /** Whether the upper two keep an internal snapshot, and were changed since. */
  readonly snapshots?: boolean;
}

export const SCENARIOS: [name: string, scenario: Scenario][] = [
  ['equal sizes', { top: {}, middle: {}, sizes: { base: 3, middle: 3, top: 3, other: 3 } }],
  [
    'small clusters over large ones',
    {
      top: { clusterBits: 9 },
      middle: { clusterBits: 21 },
      sizes: { base: 3, middle: 3, top: 3, other: 3 },
    },
  ],
  [
    'large clusters over small ones, the new image short',
    {
      top: { clusterBits: 20 },
      middle: { clusterBits: 10 },
      sizes: { base: 3, middle: 2, top: 4, other: 1.3 },
    },
  ],
  [
    'version 2, the old chain short',
    {
      top: { version: 2, clusterBits: 12 },
      middle: { version: 2 },
      sizes: { base: 1, middle: 1.7, top: 3, other: 4 },
    },
  ],
  [
    'extended L2 entries, the new image long',
    {
      top: { extendedL2: true },
      middle: { extendedL2: true, clusterBits: 14 },
      sizes: { base: 4, middle: 4, top: 3.2, other: 5 },
    },
  ],
  [
    'data file, compressed below',
    {
      top: { dataFile: 'external' },
      middle: { data: 'zlib' },
      sizes: { base: 3, middle: 3, top: 3, other: 2 },
    },
  ],
  [
    'compressed, one-bit refcounts, short in the middle',
    {
      top: { data: 'zstd', refcountBits: 1 },
      middle: { clusterBits: 11 },
      sizes: { base: 4, middle: 1, top: 4, other: 4 },
    },
  ],
  [
    'internal snapshots',
    {
      top: { clusterBits: 14 },
      middle: { clusterBits: 12, data: 'zlib' },
      sizes: { base: 3, middle: 3, top: 3, other: 3 },
      snapshots: true,
    },
  ],
];

/** base.raw ← middle.qcow2 ← top.qcow2, and beside them base.raw ← other.qcow2. */
export function makeFork(directory: QemuDirectory, scenario: Scenario, seed: number): void {
  const { top, middle, sizes, snapshots = false } = scenario;
  const random = new SeededRandom(seed);
  const bytes = (mebibytes: number) => Math.round(mebibytes * 2048) * 512;
  writeMixedPayload(directory.file('source.raw'), 256 * 1024, seed);
  writeMixedPayload(directory.file('base.raw'), bytes(sizes.base), seed + 1);
  const over = (below: string, belowFormat: string): Below => ({ below, belowFormat });
  const make = (name: string, options: Partial<Qcow2Options>, size: number, below: Below) =>
    makeImage(directory, name, { ...plain, ...options }, bytes(size), random, below);
  make('middle.qcow2', middle, sizes.middle, over('base.raw', 'raw'));
  make('top.qcow2', top, sizes.top, over('middle.qcow2', 'qcow2'));
  for (const name of snapshots ? ['middle.qcow2', 'top.qcow2'] : []) {
    directory.img('snapshot', '-c', 'before', name);
    directory.io(name, ['write -P 7 100k 300k', 'write -z 700k 200k', 'discard 1M 256k']);
  }
  make('other.qcow2', { clusterBits: 13 }, sizes.other, over('base.raw', 'raw'));
}
