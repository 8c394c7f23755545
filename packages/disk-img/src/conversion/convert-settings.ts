/** Options of `convert` that concern neither the source nor the format of the target. */
import { Failure } from '../program.ts';
import type { CommandOptions } from '../arguments/options.ts';
import { sizeArgument } from '../arguments/sizes.ts';
import { parseSnapshotParameter, type SnapshotParameter } from '../arguments/snapshot-parameter.ts';

/** What the options say by themselves. */
export interface ConvertSettings {
  readonly sparseBytes: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly snapshot: SnapshotParameter | undefined;
  readonly durable: boolean;
}

const MAX_SPARSE_BYTES = 16 * 1024 * 1024;
const SECTOR_BYTES = 512;

/** @throws Failure for what makes no sense by itself */
export function readSettings(options: CommandOptions): ConvertSettings {
  const coroutines = options.value('m');
  if (coroutines !== undefined && !/^\s*\+?(0*[1-9]|0*1[0-6])$/.test(coroutines)) {
    throw new Failure(
      'Invalid number of coroutines. Allowed number of coroutines is between 1 and 16',
    );
  }
  const rate = options.value('r');
  const bytesPerSecond =
    rate === undefined ? undefined : Number(sizeArgument('rate limit', rate)) || undefined;
  const parameters = options.values('l');
  const snapshot = parameters.map(parseSnapshotParameter).at(-1);
  const cache = options.value('t');
  return {
    sparseBytes: sparseOption(options.value('S')),
    bytesPerSecond,
    snapshot,
    // By default, that the new image survives a loss of power is left to the host.
    durable: cache !== undefined && cache !== 'unsafe',
  };
}

function sparseOption(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = Number(sizeArgument('buffer size for sparse output', text));
  if (bytes % SECTOR_BYTES === 0 && bytes <= MAX_SPARSE_BYTES) return bytes;
  throw new Failure(
    'Invalid buffer size for sparse output specified. Valid sizes are multiples of ' +
      `${SECTOR_BYTES} up to ${MAX_SPARSE_BYTES}. Select 0 to disable sparse detection ` +
      '(fully allocates output).',
  );
}

/** @throws Failure for options that make no sense together; the first that is found is told of */
export function checkCombinations(options: CommandOptions, list: string): void {
  const has = (name: string): boolean => options.has(name);
  const rules: readonly (readonly [boolean, string])[] = [
    [
      has('skip-broken-bitmaps') && !has('bitmaps'),
      'Use of --skip-broken-bitmaps requires --bitmaps',
    ],
    [has('C') && has('c'), 'Cannot enable copy offloading when -c is used'],
    [has('C') && has('S'), 'Cannot enable copy offloading when -S is used'],
    [has('C') && has('salvage'), 'Cannot use copy offloading in salvaging mode'],
    [has('target-image-opts') && !has('n'), '--target-image-opts requires use of -n flag'],
    [has('n') && list !== '', '-o has no effect when skipping image creation'],
    [has('target-is-zero') && !has('n'), '--target-is-zero requires use of -n flag'],
  ];
  const broken = rules.find(([applies]) => applies);
  if (broken !== undefined) throw new Failure(broken[1]);
}
