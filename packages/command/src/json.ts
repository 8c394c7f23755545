/** JSON in the form of qemu-img: four spaces, and members in the order of its tables. */

export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/**
 * QEMU keeps the members of an object in a table of 512 buckets, and prints bucket by bucket. The
 * bucket is told by a hash of the name: Bob Jenkins' multiply-and-add as in TDB, on 32 bits.
 */
const BUCKETS = 512;

function bucketOf(name: string): number {
  const bytes = new TextEncoder().encode(name);
  let hash = Math.imul(0x238f_13af, bytes.length);
  bytes.forEach((byte, index) => {
    hash = Math.trunc(hash + byte * 2 ** ((index * 5) % 24)) % 2 ** 32;
  });
  const spread = (Math.imul(1_103_515_243, hash) + 12_345) % BUCKETS;
  return (spread + BUCKETS) % BUCKETS;
}

/** Members in the order in which QEMU prints them; undefined ones are left out. */
export function orderedMembers<T>(object: Readonly<Record<string, T | undefined>>): [string, T][] {
  return Object.entries(object)
    .filter((member): member is [string, T] => member[1] !== undefined)
    .map((member, index) => ({ member, index, bucket: bucketOf(member[0]) }))
    .toSorted((one, other) => one.bucket - other.bucket || other.index - one.index)
    .map(({ member }) => member);
}

/** Text of several lines, without a line feed at its end. */
export function jsonText(value: JsonValue, indent = 0): string {
  if (typeof value !== 'object' || value === null) return scalarText(value);
  const inner = ' '.repeat(4 * (indent + 1));
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const parts = Array.isArray(value)
    ? value.map((each) => jsonText(each, indent + 1))
    : orderedMembers(value as Readonly<Record<string, JsonValue | undefined>>).map(
        ([name, member]) => `${scalarText(name)}: ${jsonText(member, indent + 1)}`,
      );
  const lines = parts.map((part) => `${inner}${part}`).join(',\n');
  return `${open}\n${lines}${lines === '' ? '' : '\n'}${' '.repeat(4 * indent)}${close}`;
}

/** The same on one line, as in names that begin with `json:`. */
export function compactJsonText(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return scalarText(value);
  if (Array.isArray(value)) return `[${value.map(compactJsonText).join(', ')}]`;
  const members = orderedMembers(value as Readonly<Record<string, JsonValue | undefined>>);
  return `{${members.map(([name, each]) => `${scalarText(name)}: ${compactJsonText(each)}`).join(', ')}}`;
}

function scalarText(value: string | number | bigint | boolean | null): string {
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  );
}
