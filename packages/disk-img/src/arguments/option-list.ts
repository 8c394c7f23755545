/** Lists of options behind `-o`: `name=value,name`, with a comma in a value written twice. */
import { DiskError } from '@diskfile/bytes';
import type { FormatOption } from '../formats/format-options.ts';
import { Failure } from '../program.ts';
import { parseSize } from './sizes.ts';

/** Several `-o` make one list. @throws Failure for one that is empty, or has an empty end */
export function joinOptionLists(lists: readonly string[]): string {
  for (const list of lists) {
    // A comma at the front, or alone at the end, would change its meaning once the lists are joined.
    const atEnd = /,*$/.exec(list)![0].length;
    if (list === '' || list.startsWith(',') || atEnd % 2 === 1) {
      throw new Failure(`Invalid option list: ${list}`);
    }
  }
  return lists.join(',');
}

/** Whether a list asks what options there are. */
export function asksForHelp(list: string): boolean {
  return parseOptionList(list).some(
    ({ name, value }) => value === undefined && (name === 'help' || name === '?'),
  );
}

export interface GivenOption {
  readonly name: string;
  /** Undefined where only the name was given. */
  readonly value: string | undefined;
}

/** Only in a value does a doubled comma stand for one; a name ends at every comma. */
export function parseOptionList(list: string): GivenOption[] {
  const given: GivenOption[] = [];
  const option = /([^=,]*)(?:=((?:[^,]|,,)*))?(?:,|$)/y;
  while (option.lastIndex < list.length) {
    const [, name, value] = option.exec(list)!;
    given.push({ name: name!, value: value?.replaceAll(',,', ',') });
  }
  return given;
}

/** The value of an option, and the text by which it is shown. */
export interface OptionValue {
  readonly text: string;
  readonly value: string | number | bigint | boolean;
}

export type OptionValues = Map<string, OptionValue>;

/** Judges options by what a format knows. The last of several counts. @throws DiskError */
export function readOptions(list: string, known: readonly FormatOption[]): OptionValues {
  const values: OptionValues = new Map();
  for (const given of parseOptionList(list)) {
    const { option, text } = findOption(given, known);
    values.set(option.name, readValue(option, text));
  }
  return values;
}

function findOption(
  { name, value }: GivenOption,
  known: readonly FormatOption[],
): { option: FormatOption; text: string } {
  const option = known.find((each) => each.name === name);
  if (option !== undefined) return { option, text: value ?? 'on' };
  const negated =
    value === undefined && name.startsWith('no')
      ? known.find((each) => each.name === name.slice(2))
      : undefined;
  if (negated !== undefined) return { option: negated, text: 'off' };
  throw invalid(`Invalid parameter '${name}'`);
}

const ON: ReadonlySet<string> = new Set(['on', 'yes', 'true', 'y']);
const OFF: ReadonlySet<string> = new Set(['off', 'no', 'false', 'n']);

function readValue({ name, type }: FormatOption, text: string): OptionValue {
  if (type === 'text') return { text, value: text };
  if (type === 'flag') {
    if (ON.has(text)) return { text, value: true };
    if (OFF.has(text)) return { text, value: false };
    throw invalid(`Parameter '${name}' expects 'on' or 'off'`);
  }
  if (type === 'size') return readSize(name, text);
  if (!/^\s*[-+]?(0[xX][0-9a-fA-F]+|\d+)$/.test(text)) {
    throw invalid(`Parameter '${name}' expects a number`);
  }
  const number = Number(text.replace(/^\s*[-+]?/, '')) * (text.includes('-') ? -1 : 1);
  return { text: String(number), value: number };
}

function readSize(name: string, text: string): OptionValue {
  const size = parseSize(text);
  if (size === 'range') throw invalid(`Value '${text}' is out of range for parameter '${name}'`);
  if (size === 'invalid') {
    throw invalid(
      `Parameter '${name}' expects a non-negative number below 2^64\n` +
        'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n' +
        'and exabytes, respectively.',
    );
  }
  const isExact = size <= BigInt(Number.MAX_SAFE_INTEGER);
  return { text: String(size), value: isExact ? Number(size) : size };
}

/** Already in QEMU's words. */
function invalid(message: string): DiskError {
  return new DiskError('invalid-argument', 'command.option', message);
}

/** Options as they are shown, in a format's order. */
export function shownOptions(values: OptionValues, known: readonly FormatOption[]): string {
  return known
    .map(({ name, byDefault }) => {
      const text = values.get(name)?.text ?? byDefault;
      return text === undefined ? '' : ` ${name}=${text.replaceAll(',', ',,')}`;
    })
    .join('');
}

/** The list that `-o help` prints, line by line. */
export function optionHelp(title: string, known: readonly FormatOption[]): string {
  const types = { text: 'str', size: 'size', number: 'num', flag: 'bool (on/off)' };
  const lines = known
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, type, help }) => `${`  ${name}=<${types[type]}>`.padEnd(24)} - ${help}\n`);
  return `${title}:\n${lines.join('')}`;
}
