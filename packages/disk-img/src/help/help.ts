/** The help: of all commands, or of one. */
import { FORMAT_NAMES } from '../formats/known-formats.ts';
import type { Program } from '../program.ts';
import { commonWords, type OptionWords, optionWords } from './option-words.ts';
import { type CommandSyntax, SYNTAX } from './syntax.ts';

/** What a document of JSON holds by default. */
const OF_IMAGES = "what 'info' tells of the image as it is then";

/** An option that qemu-img has for some commands only. */
const OUTPUT = '[--output=ofmt] ';
const QEMU_OUTPUTS: ReadonlySet<string> = new Set(['check', 'info', 'map', 'measure']);
const OPTION_COLUMNS = 24;
const LINE_COLUMNS = 96;

const JSON_OPTIONS = [
  'All commands take --json-lines: progress as JSON on standard error; and --output=json: one',
  'document of JSON on standard output, warnings and failures as lines of JSON on standard error.',
];

/** @param command the one that the help is about, where it is about one */
export function helpText({ name, isLookAlike }: Program, command?: string): string {
  if (command !== undefined && !isLookAlike) return commandHelp(name, command);
  const lines = [
    `usage: ${name} [standard options] command [command options]`,
    'Works on disk images, in the language of qemu-img.',
    '',
    "    '-h', '--help'       display this help and exit",
    "    '-V', '--version'    output version information and exit",
    '',
    'Command syntax:',
    ...Object.entries(SYNTAX).map(([each, { syntax }]) => {
      return `  ${isLookAlike ? asQemu(each, syntax) : syntax}`;
    }),
    '',
    'Options of several commands:',
    ...listed(commonWords()),
    '',
    ...(isLookAlike ? [] : [...JSON_OPTIONS, `'${name} COMMAND --help' tells more.`, '']),
    `Supported formats: ${FORMAT_NAMES.join(' ')}`,
  ];
  return `${lines.join('\n')}\n`;
}

function commandHelp(name: string, command: string): string {
  const { purpose, syntax, document = OF_IMAGES } = SYNTAX[command] as CommandSyntax;
  const lines = [
    `usage: ${name} ${syntax}`,
    '',
    ...wrapped(purpose, LINE_COLUMNS),
    '',
    ...listed(optionWords(command, syntax)),
    '',
    ...wrapped(
      `--output=json prints as JSON ${document}, and failures on standard error.`,
      LINE_COLUMNS,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function asQemu(command: string, syntax: string): string {
  return QEMU_OUTPUTS.has(command)
    ? syntax
    : syntax.replace(OUTPUT, '').replace(' [--skip-broken-bitmaps]', '');
}

function listed(options: readonly OptionWords[]): string[] {
  return options.flatMap(({ option, words }) => {
    const [first, ...rest] = wrapped(words, LINE_COLUMNS - OPTION_COLUMNS);
    return [
      `  ${option}`.padEnd(OPTION_COLUMNS) + first!,
      ...rest.map((line) => ' '.repeat(OPTION_COLUMNS) + line),
    ];
  });
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
