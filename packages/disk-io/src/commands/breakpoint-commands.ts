/** Commands that stop requests on their way and let them go on, on disks whose host plays along. */
import type { Command, Outcome } from '../shell/command.ts';
import type { Session } from '../shell/session.ts';

const NO_SUCH = 'No such file or directory';
const UNSUPPORTED = 'Operation not supported';

export const breakCommand: Command = {
  name: 'break',
  atLeast: 2,
  atMost: 2,
  synopsis: 'event tag',
  summary: 'sets a breakpoint on event and tags the stopped request as tag',
  run: (session, { operands: [event, tag] }) =>
    told(session, 'Could not set breakpoint', session.breakpoints?.add(event!, tag!)),
};

export const removeBreakCommand: Command = {
  name: 'remove_break',
  atLeast: 1,
  atMost: 1,
  synopsis: 'tag',
  summary: 'remove a breakpoint by tag',
  run: (session, { operands: [tag] }) =>
    told(session, `Could not remove breakpoint ${tag}`, session.breakpoints?.remove(tag!)),
};

export const resumeCommand: Command = {
  name: 'resume',
  atLeast: 1,
  atMost: 1,
  synopsis: 'tag',
  summary: 'resumes the request tagged as tag',
  run: (session, { operands: [tag] }) =>
    told(session, 'Could not resume request', session.breakpoints?.resume(tag!)),
};

/** @param done undefined where the disk has no breakpoints */
function told({ console }: Session, failure: string, done: boolean | undefined): Outcome {
  if (done === true) return 'done';
  console.out(`${failure}: ${done === undefined ? UNSUPPORTED : NO_SUCH}\n`);
  return 'failed';
}

/** Where nothing can ever stop, or nothing is under way, nobody waits for that. */
export const waitBreakCommand: Command = {
  name: 'wait_break',
  atLeast: 1,
  atMost: 1,
  synopsis: 'tag',
  summary: 'waits for the suspension of a request',
  async run({ breakpoints, isIdle }, { operands: [tag] }): Promise<Outcome> {
    if (breakpoints === undefined || isIdle) return 'failed';
    await breakpoints.whenStopped(tag!);
    return 'done';
  },
};
