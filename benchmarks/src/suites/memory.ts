/** Largest resident set of a whole process. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { command, DISK_CAT, DISK_IMG, qemuCommand } from '../commands.ts';
import {
  type Contender,
  medianTime,
  peakMemory,
  runTimed,
  type Series,
  takeTurns,
} from '../measure.ts';
import { formatMebibytes, formatMilliseconds, type Row, type Section } from '../table.ts';
import { type Bench, jobContender } from './suite.ts';

const DIGEST_MEGABYTES = 150;
const MOST_ROUNDS = 3;

export async function memory(bench: Bench): Promise<Section> {
  const rows: Row[] = [];
  for (const kind of ['plain', 'zlib', 'zstd'] as const) {
    const image = await bench.images.qcow2(kind);
    rows.push(
      await compared(bench, `digest() of ${kind} qcow2`, jobContender('digest', image), image),
    );
  }
  const empty = await bench.images.empty16TiB();
  const job = jobContender('digest', empty);
  rows.push(await compared(bench, 'digest() of 16 TiB of nothing', job, empty));
  const large = await bench.images.largeFile();
  if (large !== undefined && existsSync(DISK_CAT)) {
    const { image, guestPath } = large;
    const cat: Contender = {
      name: 'disk-cat',
      run: () =>
        runTimed(process.execPath, [DISK_CAT, '-m', '/dev/sda', image, guestPath], {
          watchMemory: true,
          discardOutput: true,
        }),
    };
    rows.push(await compared(bench, 'disk-cat of a large file', cat, image));
  }
  rows.push(...(await conversions(bench)));
  return { title: 'Peak memory of the process', rows };
}

/** Of disks that are much larger than memory may become. */
async function conversions(bench: Bench): Promise<Row[]> {
  const sparse = await bench.images.sparse1TiB();
  const { path: full, sizeBytes } = await bench.images.full();
  const gibibytes = `${sizeBytes / 2 ** 30} GiB without a hole`;
  return [
    await conversion(bench, '1 TiB with few data → qcow2', [sparse]),
    await conversion(bench, `${gibibytes} → deflate qcow2`, ['-c', full]),
  ];
}

async function conversion(bench: Bench, label: string, args: readonly string[]): Promise<Row> {
  const target = join(bench.scratch, 'convert.qcow2');
  const prepare = (): void => rmSync(target, { force: true });
  const all = ['convert', '-m', '16', '-W', '-f', 'raw', '-O', 'qcow2', ...args, target];
  const contenders = [
    command(DISK_IMG, all, { prepare }),
    qemuCommand(bench.images.qemuImg, all, { prepare }),
  ];
  // The first turn warms up, the second counts: these are long.
  const [ours, peer] = await takeTurns(contenders, 1);
  prepare();
  return memoryRow(`disk-img convert: ${label}`, ours!, peer!, 200);
}

async function compared(bench: Bench, name: string, ours: Contender, image: string): Promise<Row> {
  const target = join(bench.scratch, 'convert.raw');
  const peer: Contender = {
    name: 'qemu-img convert',
    prepare: () => rmSync(target, { force: true }),
    run: () =>
      runTimed(bench.images.qemuImg, ['convert', '-f', 'qcow2', '-O', 'raw', image, target], {
        watchMemory: true,
      }),
  };
  const [mine, theirs] = await takeTurns([ours, peer], Math.min(bench.rounds, MOST_ROUNDS));
  rmSync(target, { force: true });
  return memoryRow(name, mine!, theirs!, DIGEST_MEGABYTES);
}

function memoryRow(benchmark: string, ours: Series, peer: Series, megabytes: number): Row {
  const peakBytes = peakMemory(ours);
  return {
    benchmark,
    ours: `${formatMebibytes(peakBytes)}, ${formatMilliseconds(medianTime(ours))}`,
    peer: `${formatMebibytes(peakMemory(peer))}, ${formatMilliseconds(medianTime(peer))} ${peer.name}`,
    target: `< ${megabytes} MB`,
    met: peakBytes < megabytes * 1e6,
  };
}
