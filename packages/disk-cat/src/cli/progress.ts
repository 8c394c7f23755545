/** Progress on standard error, for jobs that take a while: a bar, or lines of JSON. */
import { isTerminal, ProgressLines, writeError } from '@diskfile/command';
import type { Command } from 'commander';
import { humanSize } from './sizes.ts';

export interface Progress {
  add(bytes: number): void;
  stop(): void;
}

const STDERR = 2;
const SILENT: Progress = { add: () => undefined, stop: () => undefined };

export interface ProgressOptions {
  readonly json: boolean;
  readonly progress: boolean;
  readonly jsonLines: boolean;
}

export function progressOptions(command: Command): void {
  command
    .option('--no-progress', 'no progress bar, also on a terminal')
    .option('--json-lines', 'progress as JSON lines on standard error', false);
}

/**
 * Shows lines where they are asked for, and otherwise a bar where there is a terminal and the user does
 * not mind.
 * @param totalBytes is asked only then
 */
export async function startProgress(
  { json, progress, jsonLines }: ProgressOptions,
  totalBytes: () => number,
): Promise<Progress> {
  if (jsonLines) return lines(totalBytes());
  return progress && !json && isTerminal(STDERR) ? await bar(totalBytes()) : SILENT;
}

function lines(totalBytes: number): Progress {
  const told = new ProgressLines(writeError);
  let doneBytes = 0;
  return {
    add(bytes) {
      doneBytes += bytes;
      told.update({ doneBytes, totalBytes });
    },
    stop: () => undefined,
  };
}

async function bar(total: number): Promise<Progress> {
  const { default: cliProgress } = await import('cli-progress');
  const shown = new cliProgress.SingleBar({
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
  const size = humanSize(total);
  let doneBytes = 0;
  shown.start(total, 0, { done: '0', size });
  return {
    add(bytes) {
      doneBytes += bytes;
      shown.update(doneBytes, { done: humanSize(doneBytes), size });
    },
    stop: () => shown.stop(),
  };
}
