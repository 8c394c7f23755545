/** Names of files in messages. */
import { isAbsolute, sep } from 'node:path';

/** Whoever names an image from where he stands is told of the files beside it likewise. */
export function shownFrom(filename: string, reason: string): string {
  if (isAbsolute(filename)) return reason;
  const short = reason.replaceAll(`'${process.cwd()}${sep}`, "'");
  return filename.startsWith('./') ? short : short.replaceAll("'./", "'");
}
