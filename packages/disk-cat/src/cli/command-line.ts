/** What every command line has in common, on top of commander. */
import { Output } from '@diskfile/command';
import { Command } from 'commander';

/** Set when the commands are bundled. */
declare const COMMAND_VERSION: string;

/** Options that every command takes. */
export interface CommonOptions {
  readonly format?: string;
  readonly snapshot?: string;
  readonly allowBacking: readonly string[];
  readonly keyFile?: string;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
}

/** Options of the commands that look into a guest's tree. */
export interface GuestOptions extends CommonOptions {
  readonly mount: readonly string[];
  readonly strict: boolean;
}

export interface Operand {
  /** As commander writes them: `<image>`, `<path...>`. */
  readonly name: string;
  readonly description: string;
}

export interface CommandShape {
  readonly name: string;
  readonly summary: string;
  readonly operands: readonly Operand[];
  /** In place of the usage that follows from the operands. */
  readonly usage?: string;
  /** What `--json` does to this command. */
  readonly json: string;
  readonly examples: readonly string[];
  /** Further paragraphs of the help. */
  readonly notes?: readonly string[];
  options?(command: Command): void;
}

const EXIT_CODES = `Exit codes:
  0    done
  1    the image, a path in it or the host stood in the way
  2    the command line makes no sense
  130  ended by Ctrl-C
  141  the reader of the output went away`;

/** Help and version. @throws BrokenPipe and DiskError as all other output does */
function writeAtOnce(text: string): void {
  const output = new Output();
  output.text(text);
  output.flush();
}

/** The parser of a command. It throws CommanderErrors and prints help, but never ends the process. */
export function commandLine(shape: CommandShape): Command {
  const command = new Command(shape.name)
    .description(shape.summary)
    .helpOption('--help', 'print this help')
    .version(`${shape.name} ${COMMAND_VERSION}`, '-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({ writeOut: writeAtOnce, writeErr: () => undefined })
    .configureHelp({ helpWidth: 100, optionDescription: ({ description }) => description });
  if (shape.usage !== undefined) command.usage(shape.usage);
  for (const { name, description } of shape.operands) command.argument(name, description);
  shape.options?.(command);
  command
    .option('--format <name>', 'format of the image (qcow2, raw, …); it is then never guessed')
    .option('--snapshot <name>', 'read this internal snapshot, by name or id')
    .option('--key-file <file>', 'file that holds the passphrase of an encrypted image')
    .option(
      '--allow-backing <dir>',
      'directory from which the image may name further files, or "any"; may be repeated',
      repeated,
      [],
    )
    .option('--json', shape.json, false)
    .option('-q, --quiet', 'no warnings', false)
    .option('-v, --verbose', 'explain errors: codes, context, causes', false);
  const paragraphs = [
    ...(shape.notes ?? []),
    `Examples:\n${shape.examples.map((example) => `  $ ${example}`).join('\n')}`,
    EXIT_CODES,
  ];
  return command.addHelpText('after', paragraphs.map((paragraph) => `\n${paragraph}`).join('\n'));
}

/** Adds the options of {@link GuestOptions}. */
export function guestOptions(command: Command): void {
  command
    .option(
      '-m, --mount <dev[:path]>',
      'mount this filesystem (/dev/sda2, UUID=…, LABEL=…) on path, / by default, instead of ' +
        'finding the root and following its /etc/fstab; may be repeated',
      repeated,
      [],
    )
    .option('--strict', 'make checksum mismatches errors instead of warnings', false);
}

export function repeated(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}
