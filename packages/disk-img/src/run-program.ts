/** From the arguments of the process to its exit code. */
import { DiskError } from '@diskfile/bytes';
import { BrokenPipe, Interrupted, undecodable } from '@diskfile/command';
import { parseArguments } from './arguments/getopt.ts';
import { HelpWanted, seemsToAskForJson } from './arguments/options.ts';
import type { Command, Outcome } from './command.ts';
import { Failure, type Program, usage } from './program.ts';

/** Set when the command is bundled. */
declare const COMMAND_VERSION: string;

const EXIT_BROKEN_PIPE = 141;
const SHAPES = { short: 'hVT:', long: { help: 'h', version: 'V', trace: 'T:' } };
const JSON_LINES = '--json-lines';

/** Each is loaded when it is called. */
export const COMMANDS: Readonly<Record<string, () => Promise<{ readonly run: Command }>>> = {
  amend: () => import('./commands/amend.ts'),
  bench: () => import('./commands/bench.ts'),
  bitmap: () => import('./commands/bitmap.ts'),
  check: () => import('./commands/check.ts'),
  commit: () => import('./commands/commit.ts'),
  compare: () => import('./commands/compare.ts'),
  convert: () => import('./commands/convert.ts'),
  create: () => import('./commands/create.ts'),
  dd: () => import('./commands/dd.ts'),
  diff: () => import('./commands/diff.ts'),
  digest: () => import('./commands/digest.ts'),
  flatten: () => import('./commands/flatten.ts'),
  fork: () => import('./commands/fork.ts'),
  info: () => import('./commands/info.ts'),
  map: () => import('./commands/map.ts'),
  measure: () => import('./commands/measure.ts'),
  rebase: () => import('./commands/rebase.ts'),
  resize: () => import('./commands/resize.ts'),
  snapshot: () => import('./commands/snapshot.ts'),
};

export async function runProgram(program: Program, args: readonly string[]): Promise<number> {
  let exitCode: number;
  try {
    exitCode = await dispatch(program, args);
  } catch (error) {
    exitCode = await exitCodeOf(program, error);
    if (error instanceof BrokenPipe) return exitCode;
  }
  try {
    program.output.flush();
    return exitCode;
  } catch (error) {
    return await exitCodeOf(program, error);
  }
}

async function exitCodeOf(program: Program, error: unknown): Promise<number> {
  if (error instanceof BrokenPipe) return EXIT_BROKEN_PIPE;
  const mismatch = program.isLookAlike ? mismatchIn(error) : undefined;
  if (mismatch !== undefined) {
    program.rawError(`${mismatch.message}\n`);
    return 1;
  }
  if (error instanceof Failure) return program.fail(error);
  if (error instanceof Interrupted) {
    // Nobody listens for the signal any more, so it now does what it does to every program.
    process.kill(process.pid, error.signal);
    return 1;
  }
  if (error instanceof DiskError) {
    const { wordsOf } = await import('./words/disk-words.ts');
    return program.fail(new Failure(wordsOf(error), { cause: error }));
  }
  if (!(error instanceof HelpWanted)) throw error;
  return await help(program, error.command);
}

/** Copies that differ: whoever compares wants to look at them, so nothing else is said. */
function mismatchIn(error: unknown): DiskError | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof DiskError && each.detail === 'graph.mismatch') return each;
  }
  return undefined;
}

async function dispatch(program: Program, args: readonly string[]): Promise<number> {
  const fault = undecodable(args);
  if (fault !== undefined) throw new Failure(fault);
  const [command, ...rest] = parseArguments(program.name, args, SHAPES, {
    stopAtOperand: true,
    onOption({ name }) {
      if (name === 'h') throw new HelpWanted();
      if (name !== 'V') return;
      version(program);
      throw new Failure([], { exitCode: 0 });
    },
  });
  if (command === undefined) {
    if (args.length > 0 && program.isLookAlike) return 0;
    throw usage('Not enough arguments');
  }
  if (!Object.hasOwn(COMMANDS, command)) {
    program.isJson = seemsToAskForJson(program, rest);
    throw usage(`Command not found: ${command}`);
  }
  const { run } = await COMMANDS[command]!();
  return await exitCodeOfOutcome(program, await run(program, ownOptions(program, rest)));
}

async function exitCodeOfOutcome(program: Program, outcome: Outcome): Promise<number> {
  if (typeof outcome === 'number') return outcome;
  if (program.isJson) {
    const { tellImages } = await import('./report/tell-images.ts');
    tellImages(program, outcome);
  }
  return 0;
}

/** Takes out what all commands understand, and qemu-img does not. */
function ownOptions(program: Program, args: readonly string[]): readonly string[] {
  if (program.isLookAlike) return args;
  program.jsonLines = args.includes(JSON_LINES);
  return args.filter((arg) => arg !== JSON_LINES);
}

async function help(program: Program, command?: string): Promise<number> {
  const { helpText } = await import('./help/help.ts');
  if (program.isLookAlike) version(program);
  program.output.text(helpText(program, command));
  return 0;
}

function version(program: Program): void {
  const own = `disk-img ${COMMAND_VERSION}`;
  program.line(program.isLookAlike ? `qemu-img version 7.2.22 (${own})` : own);
}
