/** Names of files in messages. */
import { isAbsolute, sep } from 'node:path';
import { workingDirectory } from './full-path.ts';

/**
 * Whoever names an image from where he stands is told of the files beside it likewise; a name that he
 * or the image gives from the root stays.
 * @param given what was given to find the image: a name, or one with options
 * @param error what the reason is about
 */
export function shownFrom(given: string, reason: string, error: unknown): string {
  const path = given.replace(/^file:/, '');
  if (isAbsolute(path)) return reason;
  const directory = workingDirectory();
  if (directory === undefined) return reason;
  const here = `${directory}${sep}`;
  if (given.includes(here) || namesFromRoot(error, here)) return reason;
  const short = reason.replaceAll(`'${here}`, "'");
  // A colon that is no protocol's is shown behind `./`.
  const isPlaced = path.startsWith('./') || (path !== given && /^[^:/]*:/.test(path));
  return isPlaced ? short : short.replaceAll("'./", "'");
}

/** Whether an image names what is missing below a directory from the root. */
function namesFromRoot(error: unknown, directory: string): boolean {
  if (!(error instanceof Error)) return false;
  return error.message.includes(`"${directory}`) || namesFromRoot(error.cause, directory);
}
