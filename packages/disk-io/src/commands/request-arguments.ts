/** Arguments that commands which move bytes have in common. */
import type { GivenArguments, GivenOption } from '../program/getopt.ts';
import { parseNumber, parsePattern } from '../text/byte-text.ts';

/** Largest request, in bytes. */
export const MAX_REQUEST_BYTES = 2147483136;

/** Thrown with what is wrong with an argument, to be printed as it is. */
export class ArgumentFault extends Error {
  override readonly name = 'ArgumentFault';
}

/** Thrown where the arguments make so little sense that the synopsis is printed. */
export class UsageFault extends Error {
  override readonly name = 'UsageFault';
}

export function numberOf(text: string): number {
  const parsed = parseNumber(text);
  if ('fault' in parsed) throw new ArgumentFault(parsed.fault);
  return parsed.value;
}

export function lengthOf(text: string, unless = ''): number {
  const length = numberOf(text);
  if (length <= MAX_REQUEST_BYTES) return length;
  throw new ArgumentFault(`length cannot exceed ${MAX_REQUEST_BYTES}${unless}, given ${text}`);
}

export function patternOf(text: string): number {
  const pattern = parsePattern(text);
  if (pattern !== undefined) return pattern;
  throw new ArgumentFault(`${text} is not a valid pattern byte`);
}

/** For commands whose only option with a value that can be wrong is a pattern. */
export function judgePattern({ name, value }: GivenOption): undefined {
  if (name === 'P') patternOf(value);
}

/** For asynchronous requests, of which an invalid one needs no further arguments. */
export function judgeAsynchronous(option: GivenOption): 'enough' | undefined {
  return option.name === 'i' ? 'enough' : judgePattern(option);
}

/** Options by letter; the last of several counts. */
export class Options {
  readonly #values: Map<string, string>;

  constructor({ options }: GivenArguments) {
    this.#values = new Map(options.map(({ name, value }) => [name, value]));
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }
}

export function patternIn(options: Options): number | undefined {
  const text = options.get('P');
  return text === undefined ? undefined : patternOf(text);
}

/** The lengths of several buffers that make one request. */
export function vectorOf(lengths: readonly string[]): number {
  let total = 0;
  for (const text of lengths) {
    const length = numberOf(text);
    if (length > MAX_REQUEST_BYTES) {
      throw new ArgumentFault(`Argument '${text}' exceeds maximum size ${MAX_REQUEST_BYTES}`);
    }
    if (total > MAX_REQUEST_BYTES - length) {
      throw new ArgumentFault(
        `The total number of bytes exceed the maximum size ${MAX_REQUEST_BYTES}`,
      );
    }
    total += length;
  }
  return total;
}

/** Some requests go by whole sectors. */
export function refuseUnaligned(offset: number, length: number): void {
  for (const [value, what] of [
    [offset, 'offset'],
    [length, 'count'],
  ] as const) {
    if (value % 512 === 0) continue;
    throw new ArgumentFault(`${value} is not a sector-aligned value for '${what}'`);
  }
}
