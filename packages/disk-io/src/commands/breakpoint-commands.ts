/** Commands that stop requests on their way and let them go on, on disks whose host plays along. */
import type { Command } from '../shell/command.ts';

const UNSUPPORTED = 'Operation not supported';

export const breakCommand: Command = {
  name: 'break',
  atLeast: 2,
  atMost: 2,
  synopsis: 'event tag',
  summary: 'sets a breakpoint on event and tags the stopped request as tag',
  run({ console }) {
    console.out(`Could not set breakpoint: ${UNSUPPORTED}\n`);
    return 'failed';
  },
};

export const removeBreakCommand: Command = {
  name: 'remove_break',
  atLeast: 1,
  atMost: 1,
  synopsis: 'tag',
  summary: 'remove a breakpoint by tag',
  run({ console }, { operands }) {
    console.out(`Could not remove breakpoint ${operands[0]}: ${UNSUPPORTED}\n`);
    return 'failed';
  },
};

export const resumeCommand: Command = {
  name: 'resume',
  atLeast: 1,
  atMost: 1,
  synopsis: 'tag',
  summary: 'resumes the request tagged as tag',
  run({ console }) {
    console.out(`Could not resume request: ${UNSUPPORTED}\n`);
    return 'failed';
  },
};

/** Nothing would ever stop, and nobody waits for that. */
export const waitBreakCommand: Command = {
  name: 'wait_break',
  atLeast: 1,
  atMost: 1,
  synopsis: 'tag',
  summary: 'waits for the suspension of a request',
  run: () => 'failed',
};
