/** Arguments as their bytes: Node gives text, in which a byte that is no UTF-8 is lost. */
import { readFileSync } from 'node:fs';
import { decodeName } from '@diskfile/bytes';

/**
 * The arguments of this process. Where Node had to replace bytes and the system still knows them,
 * they come as guest names do, with lone surrogates for such bytes.
 */
export function commandArguments(): string[] {
  const given = process.argv.slice(2);
  if (process.platform !== 'linux' || !given.some((arg) => arg.includes('\ufffd'))) return given;
  const bytes = readFileSync('/proc/self/cmdline');
  const raw: string[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
    raw.push(decodeName(bytes.subarray(start, end)));
    start = end + 1;
  }
  return raw.slice(-given.length);
}

/** What of these arguments is no text, for a command that takes names of the host as text alone. */
export function undecodable(args: readonly string[]): string | undefined {
  const found = args.find((arg) => /\p{Surrogate}/u.test(arg));
  return (
    found && `The argument ${JSON.stringify(found)} is not UTF-8; rename the file, or link to it`
  );
}
