/** How long a command takes to say something, against Node doing nothing. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DISK_CAT, DISK_IMG, DISK_IO } from '../commands.ts';
import { type Contender, median, medianTime, runTimed, takeTurns } from '../measure.ts';
import { formatMilliseconds, type Row, type Section } from '../table.ts';
import type { Bench } from './suite.ts';

/** Each turn is short, so there can be many of them. */
const TURNS_PER_ROUND = 4;

const GUEST = fileURLToPath(new URL('../../../test-images/debian-guest.qcow2', import.meta.url));

interface Start {
  readonly label: string;
  readonly args: readonly string[];
  /** How much longer than Node alone it may take. */
  readonly targetMilliseconds: number;
}

export async function startup(bench: Bench): Promise<Section> {
  const title = 'Start of a command, whole process';
  if (!existsSync(GUEST)) return { title, rows: [] };
  const starts: Start[] = [
    { label: 'disk-img info', args: [DISK_IMG, 'info', GUEST], targetMilliseconds: 30 },
    {
      label: 'disk-io length',
      args: [DISK_IO, '-r', '-c', 'length', GUEST],
      targetMilliseconds: 30,
    },
    {
      label: 'disk-cat of /etc/os-release from a compressed guest',
      args: [DISK_CAT, GUEST, '/etc/os-release'],
      targetMilliseconds: 60,
    },
  ];
  const contenders = [
    node('node -e 0', ['-e', '0']),
    ...starts.map(({ label, args }) => node(label, args)),
  ];
  const [peer, ...ours] = await takeTurns(contenders, bench.rounds * TURNS_PER_ROUND);
  const rows = starts.map(({ label, targetMilliseconds }, index): Row => {
    const more = median(
      ours[index]!.samples.map(
        ({ milliseconds }, turn) => milliseconds - peer!.samples[turn]!.milliseconds,
      ),
    );
    return {
      benchmark: label,
      ours: formatMilliseconds(medianTime(ours[index]!)),
      peer: `${formatMilliseconds(medianTime(peer!))} ${peer!.name}`,
      target: `${more.toFixed(0)} ms more, ≤ ${targetMilliseconds} ms`,
      met: more <= targetMilliseconds,
    };
  });
  return { title, rows };
}

function node(name: string, args: readonly string[]): Contender {
  return { name, run: () => runTimed(process.execPath, args) };
}
