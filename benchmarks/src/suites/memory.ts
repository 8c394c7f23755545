/** Largest resident set of a whole process. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, medianTime, peakMemory, runTimed, takeTurns } from '../measure.ts';
import { formatMebibytes, formatMilliseconds, type Row, type Section } from '../table.ts';
import { DISK_CAT } from './startup.ts';
import { type Bench, jobContender } from './suite.ts';

const TARGET_BYTES = 150 * 1000 * 1000;
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
  return { title: 'Peak memory of the process', rows };
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
  const peakBytes = peakMemory(mine!);
  return {
    benchmark: name,
    ours: `${formatMebibytes(peakBytes)}, ${formatMilliseconds(medianTime(mine!))}`,
    peer: `${formatMebibytes(peakMemory(theirs!))}, ${formatMilliseconds(medianTime(theirs!))} ${peer.name}`,
    target: '< 150 MB',
    met: peakBytes < TARGET_BYTES,
  };
}
