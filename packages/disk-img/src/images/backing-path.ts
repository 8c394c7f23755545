/** Where the images below lie. */
import { dirname } from 'node:path';

/**
 * The name of an image below as it is opened: relative ones count from the image that has them.
 * Joined only, not normalised, as qemu-img shows it.
 */
export function backingPath(path: string, name: string): string {
  if (name.startsWith('/') || /^[^:/]*:/.test(name) || !path.includes('/')) return name;
  return `${dirname(path) === '/' ? '' : dirname(path)}/${name}`;
}
