/**
 * Arguments as getopt_long(3) reads them: options anywhere, short ones in clusters, long ones by any
 * unambiguous beginning, and nothing but operands behind `--`.
 */
import { Failure } from '../program.ts';

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

export interface ParseOptions {
  /** Whether all that follows the first operand is left alone. */
  readonly stopAtOperand?: boolean;
  /** Called for each option before the next one is looked at. */
  onOption(option: ParsedOption): void;
}

/** An option that there is not, or that is not given as it has to be. */
export class OptionFault extends Failure {
  /** What getopt(3) says of it, where a command leaves that to it. */
  readonly ownWords: string;

  constructor(words: string, ownWords: string) {
    super(words, { isUsage: true });
    this.ownWords = ownWords;
  }
}

/**
 * Hands over the options in the order given.
 * @param command what stands before the arguments; blamed, as getopt does, when the fault lies in the
 *   middle of the first cluster
 * @returns the operands
 * @throws OptionFault
 */
export function parseArguments(
  command: string,
  args: readonly string[],
  shapes: OptionShapes,
  { stopAtOperand = false, onOption }: ParseOptions,
): readonly string[] {
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
    const next = args[index + 1];
    const tookNext = arg.startsWith('--')
      ? longOption(arg, { next, onOption }, shapes)
      : shortOptions(arg, { next, onOption, previous: lastOperand ?? previous }, shapes);
    if (tookNext) index += 1;
    previous = args[index]!;
  }
  return operands;
}

interface Around extends Pick<ParseOptions, 'onOption'> {
  /** The argument behind it. */
  readonly next: string | undefined;
}

/** @returns whether it took the argument behind it */
function longOption(arg: string, { next, onOption }: Around, { long }: OptionShapes): boolean {
  const equals = arg.indexOf('=');
  const given = arg.slice(2, equals === -1 ? undefined : equals);
  const fullName = fullNameOf(given, arg, long);
  const target = long[fullName]!;
  const name = target.replace(/:$/, '');
  if (name === target) {
    if (equals !== -1) {
      throw unrecognized(arg, `option '--${fullName}' doesn't allow an argument`);
    }
    onOption({ name, value: '' });
    return false;
  }
  if (equals !== -1) {
    onOption({ name, value: arg.slice(equals + 1) });
    return false;
  }
  if (next === undefined) throw missing(arg, `option '--${fullName}' requires an argument`);
  onOption({ name, value: next });
  return true;
}

function fullNameOf(given: string, arg: string, long: OptionShapes['long']): string {
  if (Object.hasOwn(long, given)) return given;
  const names = Object.keys(long).filter((name) => name.startsWith(given));
  // Several names for one and the same are no ambiguity.
  if (new Set(names.map((name) => long[name])).size === 1) return names[0]!;
  if (names.length === 0) throw unrecognized(arg, `unrecognized option '${arg}'`);
  const possible = names.map((name) => ` '--${name}'`).join('');
  throw unrecognized(arg, `option '${arg}' is ambiguous; possibilities:${possible}`);
}

/** @returns whether the last of them took the argument behind */
function shortOptions(
  arg: string,
  { next, onOption, previous }: Around & { readonly previous: string },
  { short }: OptionShapes,
): boolean {
  for (let at = 1; at < arg.length; at++) {
    const name = arg[at]!;
    const isLast = at === arg.length - 1;
    const place = name === ':' || name === ';' ? -1 : short.indexOf(name);
    if (place === -1) {
      throw unrecognized(isLast ? arg : previous, `invalid option -- '${name}'`);
    }
    if (short[place + 1] !== ':') {
      onOption({ name, value: '' });
      continue;
    }
    if (isLast && next === undefined) {
      throw missing(arg, `option requires an argument -- '${name}'`);
    }
    onOption({ name, value: isLast ? next! : arg.slice(at + 1) });
    return isLast;
  }
  return false;
}

function unrecognized(arg: string, ownWords: string): OptionFault {
  return new OptionFault(`unrecognized option '${arg}'`, ownWords);
}

function missing(arg: string, ownWords: string): OptionFault {
  return new OptionFault(`missing argument for option '${arg}'`, ownWords);
}
