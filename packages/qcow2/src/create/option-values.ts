/** Options under the names that qemu-img gives them with `-o`, as values or as text. */
import { DiskError, isPowerOfTwo } from '@diskfile/bytes';
import { parseByteCount } from '@diskfile/core';

export type Options = Readonly<Record<string, string | number | boolean>>;

/** Names of the versions of the format: QEMU's old words and its new ones. */
const VERSIONS: Readonly<Record<string, 2 | 3>> = { '0.10': 2, v2: 2, '1.1': 3, v3: 3 };

export class OptionValues {
  readonly #options: Options;
  readonly #op: 'create' | 'amend';

  constructor(options: Options, op: 'create' | 'amend') {
    this.#options = options;
    this.#op = op;
  }

  version(byDefault: 2 | 3): 2 | 3 {
    if (this.#options['compat'] === undefined) return byDefault;
    return VERSIONS[this.choice('compat', Object.keys(VERSIONS), '')]!;
  }

  refcountBits(byDefault: number): number {
    const bits = this.byteCount('refcount_bits', byDefault);
    if (bits <= 64 && isPowerOfTwo(bits)) return bits;
    throw this.invalid('refcount_bits', 'The width of a refcount is a power of two up to 64');
  }

  /** A number, or text as command lines have it: digits and perhaps `k`, `M`, `G` … */
  byteCount(name: string, byDefault: number): number {
    const bytes = parseByteCount(this.#options[name] ?? byDefault);
    if (bytes !== undefined) return bytes;
    throw this.invalid(name, `${name} is to be a number`);
  }

  flag(name: string, byDefault = false): boolean {
    const value = this.#options[name] ?? byDefault;
    if (typeof value === 'boolean') return value;
    if (value === 'on' || value === 'off') return value === 'on';
    throw this.invalid(name, `${name} is to be on or off`);
  }

  text(name: string): string | undefined {
    const value = this.#options[name];
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    throw this.invalid(name, `${name} is to be a file name`);
  }

  choice<T extends string>(name: string, values: readonly T[], byDefault: T): T {
    const value = this.#options[name] ?? byDefault;
    const found = values.find((known) => known === value);
    if (found !== undefined) return found;
    throw this.invalid(name, `${name} is one of ${values.join(', ')}`);
  }

  invalid(option: string, message: string): DiskError {
    return invalidOption(this.#op, option, message);
  }
}

/** The refusal of one option. */
export function invalidOption(
  op: 'create' | 'amend',
  option: string,
  message: string,
  hint?: string,
): DiskError {
  return new DiskError('invalid-argument', `qcow2.${op}.${option}`, message, {
    op,
    format: 'qcow2',
    ...(hint === undefined ? {} : { hint }),
  });
}
