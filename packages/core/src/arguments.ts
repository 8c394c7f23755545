/** What callers pass. In plain JavaScript that may be anything, so what is used is looked at first. */
import { DiskError } from '@diskfile/bytes';
import { quote } from './open/reference.ts';

interface Kind {
  /** In words, behind "is to be". */
  readonly what: string;
  fits(value: unknown): boolean;
  /** Not repeated in an error. */
  readonly isSecret?: boolean;
}

const KINDS = {
  text: { what: 'a string', fits: isText },
  texts: { what: 'a list of strings', fits: (value) => isListOf(value, isText) },
  flag: { what: 'true or false', fits: (value) => typeof value === 'boolean' },
  count: { what: 'a whole number from 0 on', fits: isCount },
  limit: { what: 'a positive whole number', fits: (value) => isCount(value) && value !== 0 },
  number: { what: 'a number', fits: (value) => typeof value === 'number' },
  bytes: { what: 'a Uint8Array', fits: isBytes },
  callback: { what: 'a function', fits: (value) => typeof value === 'function' },
  date: {
    what: 'a date',
    fits: (value) => value instanceof Date && !Number.isNaN(value.getTime()),
  },
  signal: {
    what: 'an AbortSignal',
    fits: (value) => isObject(value) && typeof value['aborted'] === 'boolean',
  },
  passphrase: { what: 'a string or a Uint8Array', fits: isPassphrase, isSecret: true },
  passphrases: {
    what: 'a string or a Uint8Array, or a list of such',
    fits: (value) =>
      isPassphrase(value) || isListOf(value, (each) => each === undefined || isPassphrase(each)),
    isSecret: true,
  },
  secrets: {
    what: 'a Map of strings to Uint8Arrays',
    fits: (value) =>
      value instanceof Map && [...value].every(([id, key]) => isText(id) && isBytes(key)),
    isSecret: true,
  },
  object: { what: 'an object', fits: isObject },
  list: { what: 'a list', fits: Array.isArray },
  iterable: {
    what: 'something to iterate over',
    fits: (value) => typeof value === 'object' && value !== null && Symbol.iterator in value,
  },
  drivers: {
    what: 'a list of drivers',
    fits: (value) =>
      isListOf(value, (each) => isObject(each) && typeof each['probe'] === 'function'),
  },
  gate: {
    what: 'a gate, or an object whose "allow" is a list of directories or "any"',
    fits: (value) =>
      isObject(value) &&
      ('open' in value
        ? typeof value['open'] === 'function'
        : ['any', undefined].includes(value['allow'] as 'any') || isListOf(value['allow'], isText)),
  },
  formatOptions: {
    what: 'an object of strings, numbers and switches',
    fits: (value) => isObject(value) && Object.values(value).every(isFormatOption),
  },
  fileSystem: { what: 'a filesystem', fits: (value) => isObject(value) && 'lstatSync' in value },
  storage: { what: 'a storage', fits: (value) => isObject(value) && 'closeSync' in value },
  /** What is checked by whoever uses it. */
  any: { what: 'anything', fits: () => true },
} satisfies Record<string, Kind>;

export type ArgumentKind = keyof typeof KINDS;

/** Every option that there is, so that none is forgotten. */
export type OptionKinds<T> = { readonly [Name in keyof Required<T>]: ArgumentKind };

/** @throws DiskError `invalid-argument` that names the argument */
export function checkArgument(op: string, name: string, value: unknown, kind: ArgumentKind): void {
  const { what, fits, isSecret = false }: Kind = KINDS[kind];
  if (fits(value)) return;
  const given = isSecret ? `of type ${typeof value}` : describeValue(value);
  throw new DiskError(
    'invalid-argument',
    `argument.${name}`,
    `${name} is to be ${what}, not ${given}`,
    { op },
  );
}

/**
 * Checks the options that are given, that there are such options, and that those are given which
 * have to be.
 * @param name what the caller calls the object; options of an option are named within it
 * @throws DiskError `invalid-argument` that names the option
 */
export function checkOptions<T extends object>(
  op: string,
  options: T,
  kinds: OptionKinds<T>,
  required: readonly (keyof T & string)[] = [],
  name = 'options',
): void {
  checkFields(op, options, kinds, required, name);
  const known = Object.keys(kinds);
  const unknown = Object.entries(options).find(
    ([key, value]) => value !== undefined && !known.includes(key),
  );
  if (unknown === undefined) return;
  // Misspelt, it would be passed over, and what it was to forbid would be done.
  const key = fieldName(name, unknown[0]);
  throw new DiskError('invalid-argument', `argument.${key}`, `There is no option ${quote(key)}`, {
    op,
    hint: `The options are: ${known.toSorted().join(', ')}.`,
  });
}

/**
 * Checks what is used of an object; it may have more.
 * @param name what the caller calls the object; its fields are named within it
 * @throws DiskError `invalid-argument` that names the field
 */
export function checkFields<T extends object>(
  op: string,
  object: T,
  kinds: OptionKinds<T>,
  required: readonly (keyof T & string)[],
  name: string,
): void {
  checkArgument(op, name, object, 'object');
  for (const key of Object.keys(kinds) as (keyof T & string)[]) {
    const value = object[key];
    if (value === undefined && !required.includes(key)) continue;
    checkArgument(op, fieldName(name, key), value, kinds[key]);
  }
}

function fieldName(object: string, field: string): string {
  return object === 'options' ? field : `${object}.${field}`;
}

/** @throws DiskError `invalid-argument`, for the path of a disk above all */
export function checkDisk(op: string, disk: unknown): void {
  if (isObject(disk) && 'blockStatus' in disk) return;
  const given = typeof disk === 'string' ? 'a path' : describeValue(disk);
  throw new DiskError(
    'invalid-argument',
    'disk.not-a-disk',
    `This takes opened disks, not ${given}`,
    { op, hint: 'Open the image with openDiskFile() first.' },
  );
}

/** An argument in a message; it need not have the type that it should have. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  return String(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOf(value: unknown, fits: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isBytes(value: unknown): boolean {
  return ArrayBuffer.isView(value) && 'BYTES_PER_ELEMENT' in value && value.BYTES_PER_ELEMENT === 1;
}

function isPassphrase(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array;
}

function isFormatOption(value: unknown): boolean {
  return value === undefined || ['string', 'number', 'boolean'].includes(typeof value);
}
