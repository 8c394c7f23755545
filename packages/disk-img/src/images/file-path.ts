/** Paths behind names of files. */

/**
 * The path that a name stands for, as QEMU has it: what would look like a protocol without its
 * `file:` gets a directory, so that names that count from there do as well.
 * @returns undefined for a name of another protocol
 */
export function filePath(name: string): string | undefined {
  if (!LOOKS_LIKE_PROTOCOL.test(name)) return name;
  if (!name.startsWith(FILE)) return undefined;
  const path = name.slice(FILE.length);
  return LOOKS_LIKE_PROTOCOL.test(path) ? `./${path}` : path;
}

const FILE = 'file:';
const LOOKS_LIKE_PROTOCOL = /^[^:/]*:/;
