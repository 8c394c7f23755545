/** A progress bar on standard error, for jobs that take a while. */
import { isTerminal } from '@diskfile/command';
import { humanSize } from './sizes.ts';

export interface Progress {
  add(bytes: number): void;
  stop(): void;
}

const STDERR = 2;
const SILENT: Progress = { add: () => undefined, stop: () => undefined };

/** Shows a bar where there is a terminal and the user does not mind; the total is asked for then. */
export async function startProgress(wanted: boolean, totalBytes: () => number): Promise<Progress> {
  if (!wanted || !isTerminal(STDERR)) return SILENT;
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar({
    format: '{bar} {percentage}% | {done} of {size} | {eta_formatted} left',
    barCompleteChar: '#',
    barIncompleteChar: '.',
    clearOnComplete: true,
    stopOnComplete: false,
    fps: 5,
    // The work does not come back to the event loop, so Ctrl-C has to end it the hard way.
    gracefulExit: false,
    hideCursor: false,
    etaBuffer: 50,
  });
  const total = totalBytes();
  const size = humanSize(total);
  let doneBytes = 0;
  bar.start(total, 0, { done: '0', size });
  return {
    add(bytes) {
      doneBytes += bytes;
      bar.update(doneBytes, { done: humanSize(doneBytes), size });
    },
    stop: () => bar.stop(),
  };
}
