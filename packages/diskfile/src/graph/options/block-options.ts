/**
 * What describes a node of a block graph: options under dotted names, as QEMU keeps them, so that
 * `file.filename` and a `filename` within `file` are the same. Whoever opens a node takes what it
 * knows; what is left over is refused.
 */
import { DiskError } from '@diskfile/bytes';
import { describeValue, isJsonObject, type JsonObject, type JsonValue } from '@diskfile/core';
import { parseByteSize } from './byte-size.ts';

export type OptionValue = string | number | boolean | null;

/** Bound on how many options one graph has. */
const MAX_OPTIONS = 4096;

/** A child of a node: described inline, or named as a node that is there already. */
export interface ChildOptions {
  readonly options: BlockOptions;
  /** Null where there is to be none; undefined when it is described by `options`. */
  readonly reference: string | null | undefined;
}

export class BlockOptions {
  readonly #values: Map<string, OptionValue>;

  constructor(values: ReadonlyMap<string, OptionValue> = new Map()) {
    this.#values = new Map(values);
  }

  /** Nested objects and lists become dotted names; where both give a value, the nested one counts. */
  static of(object: JsonObject): BlockOptions {
    const dotted = new Map<string, OptionValue>();
    const nested = new Map<string, OptionValue>();
    for (const [key, value] of Object.entries(object)) {
      if (isNested(value)) flatten(value, `${key}.`, nested);
      else set(dotted, key, value);
    }
    return new BlockOptions(new Map([...dotted, ...nested]));
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** Name of an option that nobody has taken. */
  get leftOver(): string | undefined {
    return this.#values.keys().next().value;
  }

  /** All by their dotted names. */
  entries(): Iterable<readonly [string, OptionValue]> {
    return this.#values.entries();
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  set(name: string, value: OptionValue): void {
    set(this.#values, name, value);
  }

  /** Sets all that `others` sets. */
  add(others: BlockOptions): void {
    for (const [name, value] of others.#values) this.set(name, value);
  }

  copy(): BlockOptions {
    return new BlockOptions(this.#values);
  }

  /** The same options as those of a child. */
  within(child: string): BlockOptions {
    return new BlockOptions(
      new Map([...this.#values].map(([name, value]) => [`${child}.${name}`, value])),
    );
  }

  /** The value as it was given, null for none. */
  take(name: string): OptionValue | undefined {
    const value = this.#values.get(name);
    this.#values.delete(name);
    return value;
  }

  /** As {@link takeText}, and leaves it there. */
  peekText(name: string): string | undefined {
    return this.copy().takeText(name);
  }

  /** Text; numbers and truth values as the command line has them. */
  takeText(name: string): string | undefined {
    const value = this.take(name);
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'boolean') return value ? 'on' : 'off';
    return String(value);
  }

  takeFlag(name: string): boolean | undefined {
    const text = this.takeText(name);
    if (text === undefined) return undefined;
    if (['on', 'yes', 'true', 'y'].includes(text)) return true;
    if (['off', 'no', 'false', 'n'].includes(text)) return false;
    throw invalid(`Parameter '${name}' expects 'on' or 'off'`);
  }

  takeChoice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.takeText(name);
    if (text === undefined) return undefined;
    if ((choices as readonly string[]).includes(text)) return text as T;
    throw invalid(`invalid parameter value: ${text}`);
  }

  /** A number of bytes, with or without a unit. */
  takeSize(name: string): number | undefined {
    const text = this.takeText(name);
    if (text === undefined) return undefined;
    const size = parseByteSize(text);
    if (size !== undefined) return size;
    throw invalid(
      `Parameter '${name}' expects a non-negative number below 2^64\n` +
        'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n' +
        'and exabytes, respectively.',
    );
  }

  /** As {@link takeSize}, up to 2^64; above 2^53 it is not exact. */
  takeHugeSize(name: string): number | undefined {
    const text = this.copy().takeText(name);
    const huge = /^(\d+(?:\.\d+)?)([TPE])$/i.exec(text ?? '');
    if (huge === null) return this.takeSize(name);
    const bytes = Number(huge[1]) * 1024 ** ('TPE'.indexOf(huge[2]!.toUpperCase()) + 4);
    if (bytes >= 2 ** 64) return this.takeSize(name);
    this.take(name);
    return bytes;
  }

  takeNumber(name: string): number | undefined {
    const text = this.takeText(name);
    if (text === undefined) return undefined;
    const number = /^-?(?:\d+|0[xX][0-9a-fA-F]+)$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(number)) return number;
    throw invalid(`Parameter '${name}' expects a number`);
  }

  /**
   * The child of that name; undefined when nothing is said of it.
   * @throws DiskError when it is named and described at once
   */
  takeChild(name: string): ChildOptions | undefined {
    const value = this.take(name);
    const options = this.takeBelow(`${name}.`);
    if (value === undefined) {
      return options.isEmpty ? undefined : { options, reference: undefined };
    }
    if (!options.isEmpty) {
      throw invalid(
        'Cannot reference an existing block device with additional options or a new filename',
      );
    }
    return { options, reference: value === null ? null : String(value) };
  }

  /** The children `name.0`, `name.1`, … */
  takeChildren(name: string): ChildOptions[] {
    const children: ChildOptions[] = [];
    for (;;) {
      const child = this.takeChild(`${name}.${children.length}`);
      if (child === undefined) return children;
      children.push(child);
    }
  }

  /** The groups of options `name.0.…`, `name.1.…` and so on. */
  takeGroups(name: string): BlockOptions[] {
    const groups: BlockOptions[] = [];
    for (;;) {
      const group = this.takeBelow(`${name}.${groups.length}.`);
      if (group.isEmpty) return groups;
      groups.push(group);
    }
  }

  /** All whose names begin with `prefix`, without it. */
  takeBelow(prefix: string): BlockOptions {
    const below = new Map<string, OptionValue>();
    for (const [name, value] of this.#values) {
      if (!name.startsWith(prefix)) continue;
      below.set(name.slice(prefix.length), value);
      this.#values.delete(name);
    }
    return new BlockOptions(below);
  }
}

function isNested(value: JsonValue): value is JsonObject | readonly JsonValue[] {
  return typeof value === 'object' && value !== null;
}

function flatten(
  value: JsonObject | readonly JsonValue[],
  prefix: string,
  into: Map<string, OptionValue>,
): void {
  const entries: [string, JsonValue][] = isJsonObject(value)
    ? Object.entries(value)
    : [...value.entries()].map(([index, each]) => [String(index), each]);
  for (const [key, each] of entries) {
    if (isNested(each)) flatten(each, `${prefix}${key}.`, into);
    else set(into, prefix + key, each);
  }
}

function set(values: Map<string, OptionValue>, name: string, value: OptionValue): void {
  values.set(name, value);
  if (values.size > MAX_OPTIONS) throw invalid(`More than ${MAX_OPTIONS} options`);
}

/** What a user has written and what cannot be. */
export function invalid(message: string): DiskError {
  return new DiskError('invalid-argument', 'graph.options', message, { op: 'open' });
}

/** @throws DiskError `invalid-argument` for what is no graph, as plain JavaScript may pass it */
export function checkGraph(given: unknown): void {
  if (given instanceof BlockOptions) return;
  const message = `graph is to be of the class BlockOptions, not ${describeValue(given)}`;
  const hint = 'parseDiskName() and BlockOptions.of() make one.';
  throw new DiskError('invalid-argument', 'argument.graph', message, { op: 'open', hint });
}
