/**
 * Arguments as getopt_long(3) reads them: options anywhere, short ones in clusters, long ones by any
 * unambiguous beginning, and nothing but operands behind `--`.
 */
import { usage } from '../program.ts';

/** Options of a command: by name, whether they take an argument. */
export interface OptionShapes {
  /** As in getopt(3): `f:` takes an argument, `q` does not. */
  readonly short: string;
  /** Long names, each with the short name that it stands for or a name of its own, `:` likewise. */
  readonly long: Readonly<Record<string, string>>;
}

export interface ParsedOption {
  /** Short name, or what the long one stands for. */
  readonly name: string;
  readonly value: string;
}

export interface ParsedArguments {
  /** In the order given. */
  readonly options: readonly ParsedOption[];
  readonly operands: readonly string[];
}

/**
 * @param command what stands before the arguments; blamed, as getopt does, when the fault lies in the
 *   middle of the first cluster
 * @throws Failure for options that there are not, or that lack their argument
 */
export function parseArguments(
  command: string,
  args: readonly string[],
  shapes: OptionShapes,
  { stopAtOperand = false }: { stopAtOperand?: boolean } = {},
): ParsedArguments {
  const options: ParsedOption[] = [];
  const operands: string[] = [];
  let previous = command;
  let lastOperand: string | undefined;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === '--') {
      operands.push(...args.slice(index + 1));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      if (stopAtOperand) {
        operands.push(...args.slice(index));
        break;
      }
      operands.push(arg);
      // getopt has moved options before operands by the time it looks at the next one.
      lastOperand = arg;
      continue;
    }
    const found = arg.startsWith('--')
      ? longOption(arg, args[index + 1], shapes)
      : shortOptions(arg, { next: args[index + 1], previous: lastOperand ?? previous }, shapes);
    options.push(...found.options);
    if (found.tookNext) index += 1;
    previous = args[index]!;
  }
  return { options, operands };
}

interface Found {
  readonly options: readonly ParsedOption[];
  readonly tookNext: boolean;
}

function longOption(arg: string, next: string | undefined, { long }: OptionShapes): Found {
  const equals = arg.indexOf('=');
  const given = arg.slice(2, equals === -1 ? undefined : equals);
  const target = longTarget(given, long);
  if (target === undefined) throw unrecognized(arg);
  const name = target.replace(/:$/, '');
  if (name === target) {
    if (equals !== -1) throw unrecognized(arg);
    return { options: [{ name, value: '' }], tookNext: false };
  }
  if (equals !== -1) {
    return { options: [{ name, value: arg.slice(equals + 1) }], tookNext: false };
  }
  if (next === undefined) throw missing(arg);
  return { options: [{ name, value: next }], tookNext: true };
}

function longTarget(given: string, long: OptionShapes['long']): string | undefined {
  if (Object.hasOwn(long, given)) return long[given];
  const targets = Object.keys(long)
    .filter((name) => name.startsWith(given))
    .map((name) => long[name]!);
  // Several names for one and the same are no ambiguity.
  return new Set(targets).size === 1 ? targets[0] : undefined;
}

function shortOptions(
  arg: string,
  { next, previous }: { next: string | undefined; previous: string },
  { short }: OptionShapes,
): Found {
  const options: ParsedOption[] = [];
  for (let at = 1; at < arg.length; at++) {
    const name = arg[at]!;
    const isLast = at === arg.length - 1;
    const place = name === ':' || name === ';' ? -1 : short.indexOf(name);
    if (place === -1) throw unrecognized(isLast ? arg : previous);
    if (short[place + 1] !== ':') {
      options.push({ name, value: '' });
      continue;
    }
    if (!isLast)
      return { options: [...options, { name, value: arg.slice(at + 1) }], tookNext: false };
    if (next === undefined) throw missing(arg);
    return { options: [...options, { name, value: next }], tookNext: true };
  }
  return { options, tookNext: false };
}

function unrecognized(arg: string) {
  return usage(`unrecognized option '${arg}'`);
}

function missing(arg: string) {
  return usage(`missing argument for option '${arg}'`);
}
