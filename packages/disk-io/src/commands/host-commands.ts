/** Commands about the process: pauses, signals, and ends. */
import type { Command, Outcome } from '../shell/command.ts';
import { writeTables } from '../shell/write-tables.ts';
import { numberOf } from './request-arguments.ts';

const MAX_SIGNAL = 64;
const SIGABRT = 6;
/** Time for a signal to arrive. */
const SIGNAL_MILLISECONDS = 1000;

export const sleepCommand: Command = {
  name: 'sleep',
  atLeast: 1,
  atMost: 1,
  summary: 'waits for the given value in milliseconds',
  needsNoDisk: true,
  async run({ console }, { operands }) {
    const text = operands[0]!;
    const match = /^\s*\+?(0[xX][0-9a-fA-F]+|\d+)/.exec(text);
    if (match === null || match[0] !== text) {
      console.out(`${text} is not a valid number\n`);
      return 'failed';
    }
    await new Promise((resolve) => void setTimeout(resolve, Number(match[1])));
    return 'done';
  },
};

export const sigraiseCommand: Command = {
  name: 'sigraise',
  atLeast: 1,
  atMost: 1,
  synopsis: 'signal',
  summary: 'raises a signal',
  needsNoDisk: true,
  help:
    "\n raises the given signal\n\n Example:\n 'sigraise 15' - raises SIGTERM\n\n" +
    ' Invokes raise(signal), where "signal" is the mandatory integer argument\n' +
    ' given to sigraise.\n\n',
  async run(session, { operands }) {
    const { console } = session;
    const text = operands[0]!;
    const signal = numberOf(text);
    if (signal > MAX_SIGNAL) {
      console.out(`signal argument '${text}' is too large to be a valid signal\n`);
      return 'failed';
    }
    console.flush();
    await writeTables(session);
    raise(signal);
    return 'done';
  },
};

export const abortCommand: Command = {
  name: 'abort',
  atLeast: 0,
  atMost: 0,
  summary: 'simulate a program crash using abort(3)',
  needsNoDisk: true,
  async run(session): Promise<Outcome> {
    await writeTables(session);
    raise(SIGABRT);
    return 'failed';
  },
};

export const quitCommand: Command = {
  name: 'quit',
  alias: 'q',
  atLeast: 0,
  summary: 'exit the program',
  needsNoDisk: true,
  run: () => 'quit',
};

/** What ends the process does so before this returns. */
function raise(signal: number): void {
  if (signal === 0) return;
  process.kill(process.pid, signal);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SIGNAL_MILLISECONDS);
}
