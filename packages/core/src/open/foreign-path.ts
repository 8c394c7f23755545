/** Paths that programs on other systems have left in images, most of them on Windows. */

/** The file's name in it, without directories, drive or server. */
export function foreignFileName(path: string): string {
  return path
    .replace(/^[A-Za-z]:/, '')
    .split(/[\\/]/)
    .at(-1)!;
}

/** A relative path as one of this host; undefined for an absolute one, which means nothing here. */
export function foreignRelativePath(path: string): string | undefined {
  const slashed = path.replaceAll('\\', '/');
  return /^(\/|[A-Za-z]:)/.test(slashed) ? undefined : slashed.replace(/^(\.\/)+/, '');
}

/** A path as the name of a backing image: where it has a colon, that ends no protocol. */
export function fileReference(path: string): string {
  return path.includes(':') && !path.startsWith('/') ? `./${path}` : path;
}
