/** `name: value` lines out of whatever a format has to say. */
import { printable } from '@diskfile/command';

const NAME_WIDTH = 22;

export function fieldLine(name: string, value: string): string {
  return `  ${`${name}:`.padEnd(NAME_WIDTH)} ${printable(value)}`;
}

/** One line for each detail that says anything: `refcountBits: 16` becomes `refcount bits: 16`. */
export function detailLines(details: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(details).flatMap(([name, value]) => {
    const text = detailText(value);
    return text === '' ? [] : [fieldLine(words(name), text)];
  });
}

function detailText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map(detailText).join(', ');
  if (typeof value !== 'object') return String(value);
  const parts = Object.entries(value).map(([name, part]) => [name, detailText(part)] as const);
  return parts
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${words(name)} ${text}`)
    .join('; ');
}

/** `lazyRefcounts` → `lazy refcounts`; names of a specification (`s_rev_level`) stay as they are. */
function words(name: string): string {
  return name
    .replaceAll(/(?<=[a-z0-9])[A-Z](?=[a-z])/g, (letter) => ` ${letter.toLowerCase()}`)
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, ' ');
}
