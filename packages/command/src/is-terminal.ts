/** Whether output goes to a person. */
import { fstatSync, statSync } from 'node:fs';

/**
 * `process.stdout` is touched only where it may say yes: it loads the whole network stack. Scripts
 * send output to /dev/null, which is a character device as terminals are.
 */
export function isTerminal(fd: 1 | 2): boolean {
  const status = fstatSync(fd);
  if (!status.isCharacterDevice()) return false;
  if (statSync('/dev/null', { throwIfNoEntry: false })?.rdev === status.rdev) return false;
  return (fd === 1 ? process.stdout : process.stderr).isTTY;
}
