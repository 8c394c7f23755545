/**
 * Arguments as getopt(3) and getopt_long(3) of the GNU C library read them, operands anywhere among
 * them, and with its words for what is wrong.
 */

export interface OptionShapes {
  /** As in getopt(3): a colon follows each letter that takes an argument. */
  readonly short: string;
  /** Long names, with the name that each is reported by; a colon where it takes an argument. */
  readonly long?: Readonly<Record<string, string>>;
}

export interface GivenOption {
  readonly name: string;
  readonly value: string;
}

export interface GivenArguments {
  readonly options: readonly GivenOption[];
  readonly operands: readonly string[];
}

/** Thrown with what stands behind the name of the program or command. */
export class OptionFault extends Error {
  override readonly name = 'OptionFault';
}

/** Looks at an option before the next one is read; may throw, or have enough of them. */
export type OptionJudge = (option: GivenOption) => 'enough' | undefined;

/** @throws OptionFault for the first option that cannot be */
export function readArguments(
  args: readonly string[],
  shapes: OptionShapes,
  judge: OptionJudge = () => undefined,
): GivenArguments {
  const options: GivenOption[] = [];
  const operands: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') return { options, operands: [...operands, ...rest] };
    for (const option of optionsIn(arg, rest, shapes)) {
      options.push(option);
      if (judge(option) === 'enough') return { options, operands };
    }
    if (!isOption(arg)) operands.push(arg);
  }
  return { options, operands };
}

function isOption(arg: string): boolean {
  return arg.length > 1 && arg.startsWith('-');
}

function optionsIn(
  arg: string,
  rest: string[],
  { short, long }: OptionShapes,
): Iterable<GivenOption> {
  if (long !== undefined && arg.startsWith('--')) return [longOption(arg, rest, long)];
  return isOption(arg) ? shortOptions(arg, rest, short) : [];
}

function* shortOptions(arg: string, rest: string[], short: string): Generator<GivenOption> {
  for (let at = 1; at < arg.length; at++) {
    const name = arg[at]!;
    const place = name === ':' ? -1 : short.indexOf(name);
    if (place === -1) throw new OptionFault(`invalid option -- '${name}'`);
    if (short[place + 1] !== ':') {
      yield { name, value: '' };
      continue;
    }
    const value = at + 1 < arg.length ? arg.slice(at + 1) : rest.shift();
    if (value === undefined) throw new OptionFault(`option requires an argument -- '${name}'`);
    yield { name, value };
    return;
  }
}

function longOption(
  arg: string,
  rest: string[],
  long: NonNullable<OptionShapes['long']>,
): GivenOption {
  const [, given, value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg)!;
  const target = longTarget(given!, long);
  const name = target.reported.replace(/:$/, '');
  if (name === target.reported) {
    if (value === undefined) return { name, value: '' };
    throw new OptionFault(`option '--${target.name}' doesn't allow an argument`);
  }
  const argument = value ?? rest.shift();
  if (argument !== undefined) return { name, value: argument };
  throw new OptionFault(`option '--${target.name}' requires an argument`);
}

function longTarget(
  given: string,
  long: NonNullable<OptionShapes['long']>,
): { name: string; reported: string } {
  if (Object.hasOwn(long, given)) return { name: given, reported: long[given]! };
  const names = Object.keys(long).filter((name) => name.startsWith(given));
  const reported = new Set(names.map((name) => long[name]!));
  if (reported.size === 1) return { name: names[0]!, reported: long[names[0]!]! };
  if (names.length === 0) throw new OptionFault(`unrecognized option '--${given}'`);
  const possible = names.map((name) => ` '--${name}'`).join('');
  throw new OptionFault(`option '--${given}' is ambiguous; possibilities:${possible}`);
}
