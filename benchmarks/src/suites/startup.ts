/** How long a command takes to say something, against Node doing nothing. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Contender, median, medianTime, runTimed, takeTurns } from '../measure.ts';
import { formatMilliseconds, type Section } from '../table.ts';
import type { Bench } from './suite.ts';

const TARGET_MILLISECONDS = 60;
/** Each turn is short, so there can be many of them. */
const TURNS_PER_ROUND = 4;

export const DISK_CAT = fileURLToPath(
  new URL('../../../packages/disk-cat/bin/disk-cat.js', import.meta.url),
);
const GUEST = fileURLToPath(new URL('../../../test-images/debian-guest.qcow2', import.meta.url));

export async function startup(bench: Bench): Promise<Section> {
  const title = 'Start of a command, whole process';
  if (!existsSync(DISK_CAT) || !existsSync(GUEST)) return { title, rows: [] };
  const contenders: Contender[] = [
    node('disk-cat', [DISK_CAT, GUEST, '/etc/os-release']),
    node('node -e 0', ['-e', '0']),
  ];
  const [ours, peer] = await takeTurns(contenders, bench.rounds * TURNS_PER_ROUND);
  const more = median(
    ours!.samples.map(({ milliseconds }, turn) => milliseconds - peer!.samples[turn]!.milliseconds),
  );
  return {
    title,
    rows: [
      {
        benchmark: 'disk-cat of /etc/os-release from a compressed guest',
        ours: formatMilliseconds(medianTime(ours!)),
        peer: `${formatMilliseconds(medianTime(peer!))} ${peer!.name}`,
        target: `${more.toFixed(0)} ms more, ≤ ${TARGET_MILLISECONDS} ms`,
        met: more <= TARGET_MILLISECONDS,
      },
    ],
  };
}

function node(name: string, args: readonly string[]): Contender {
  return { name, run: () => runTimed(process.execPath, args) };
}
