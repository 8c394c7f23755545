/** From the process's arguments to its exit code. */
import { BrokenPipe, commandArguments, endProcess, Interrupted, Output } from '@diskfile/command';
import { CommanderError } from 'commander';
import { commandLine, type CommandShape, type CommonOptions } from './command-line.ts';
import { EXIT, UsageError } from './failure.ts';
import { Report } from './report.ts';

/** One run of a command. */
export interface Invocation<Options extends CommonOptions = CommonOptions> {
  /** In the order of {@link CommandShape.operands}; the last ones may be many. */
  readonly operands: readonly string[];
  readonly options: Options;
  readonly output: Output;
  readonly report: Report;
}

export interface CommandDefinition<Options extends CommonOptions> extends CommandShape {
  /** Rewrites arguments that commander cannot read as they are meant. */
  prepare?(args: readonly string[]): string[];
  /** Errors that it throws end the command; those that it reports let it go on. */
  run(invocation: Invocation<Options>): Promise<void>;
}

/** Runs a command and ends the process with its exit code. */
export async function main<Options extends CommonOptions>(
  definition: CommandDefinition<Options>,
): Promise<void> {
  const args = commandArguments();
  const has = (...flags: string[]): boolean => flags.some((flag) => args.includes(flag));
  // Also what is wrong with the arguments themselves is reported as they ask for.
  const report = new Report(definition.name, {
    json: has('--json'),
    verbose: has('--verbose', '-v'),
    quiet: has('--quiet', '-q'),
  });
  let exitCode: number;
  try {
    await run(definition, args, report);
    exitCode = report.failed ? EXIT.failure : EXIT.success;
  } catch (error) {
    exitCode = exitCodeOf(error, report);
  }
  report.finish();
  endProcess(exitCode);
}

async function run<Options extends CommonOptions>(
  definition: CommandDefinition<Options>,
  args: readonly string[],
  report: Report,
): Promise<void> {
  const command = commandLine(definition);
  command.parse(definition.prepare?.(args) ?? [...args], { from: 'user' });
  const options = command.opts<Options>();
  report.configure(options);
  const output = new Output();
  await definition.run({
    operands: command.args,
    options,
    output,
    report,
  });
  output.flush();
}

function exitCodeOf(error: unknown, report: Report): number {
  if (error instanceof BrokenPipe) return EXIT.brokenPipe;
  if (error instanceof Interrupted) {
    // Nobody listens for the signal any more, so it now does what it does to every program.
    process.kill(process.pid, error.signal);
    return EXIT.failure;
  }
  if (error instanceof CommanderError) {
    // Help and version arrive here as well, printed and done.
    if (error.exitCode === 0) return EXIT.success;
    report.error(new UsageError(usageMessage(error.message)));
    return EXIT.usage;
  }
  report.error(error);
  return error instanceof UsageError ? EXIT.usage : EXIT.failure;
}

/** Commander writes `error: unknown option '--x'` and a suggestion on a second line. */
function usageMessage(message: string): string {
  return message
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
    .replace(/\.$/, '');
}
