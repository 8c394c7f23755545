/** Runs one line: finds the command, reads its arguments, and tells what is wrong with them. */
import { findCommand } from '../commands/commands.ts';
import { ArgumentFault, UsageFault } from '../commands/request-arguments.ts';
import { type GivenArguments, OptionFault, readArguments } from '../program/getopt.ts';
import { type Command, type Outcome, synopsisOf } from './command.ts';
import type { Session } from './session.ts';

export async function runLine(session: Session, line: string): Promise<Outcome> {
  const { console } = session;
  const [name, ...args] = line.split(' ').filter((word) => word !== '');
  if (name === undefined) return 'done';
  const command = findCommand(name);
  if (command === undefined) {
    console.err(`command "${name}" not found\n`);
    return 'failed';
  }
  if (command.needsNoDisk !== true && session.opened === undefined) {
    console.err("no file open, try 'help open'\n");
    return 'failed';
  }
  const { atLeast, atMost = Infinity } = command;
  if (args.length < atLeast || args.length > atMost) {
    console.err(`bad argument count ${args.length} to ${name}, expected ${countText(command)}\n`);
    return 'failed';
  }
  if (command.writes === true && session.disk.readOnly) {
    console.error('Block node is read-only');
    return 'failed';
  }
  return await runCommand(session, command, { name, args });
}

function countText({ atLeast, atMost }: Command): string {
  if (atMost === undefined) return `at least ${atLeast} arguments`;
  if (atMost === atLeast) return `${atMost} arguments`;
  return `between ${atLeast} and ${atMost} arguments`;
}

async function runCommand(
  session: Session,
  command: Command,
  { name, args }: { name: string; args: readonly string[] },
): Promise<Outcome> {
  const { console } = session;
  try {
    const outcome = await command.run(session, argumentsOf(command, args));
    session.tellOfWarnings();
    return outcome;
  } catch (error) {
    if (error instanceof ArgumentFault) console.out(`${error.message}\n`);
    else if (error instanceof OptionFault) console.err(`${name}: ${error.message}\n`);
    else if (!(error instanceof UsageFault)) throw error;
    if (!(error instanceof ArgumentFault)) console.out(synopsisOf(command, name));
    return 'failed';
  }
}

function argumentsOf({ options, judge }: Command, args: readonly string[]): GivenArguments {
  return options === undefined
    ? { options: [], operands: args }
    : readArguments(args, { short: options }, judge);
}
