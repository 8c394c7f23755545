/** What to try after a failure, said to those who call the command by its own name. */
import { DiskError } from 'diskfile';

/** In words of the command line, where the library's are about its functions. */
const HINTS: readonly (readonly [detail: RegExp, hint: string])[] = [
  [
    /\.passphrase-missing$/,
    "Give the passphrase with '--object secret,id=key,file=FILE', and name it: '--image-opts " +
      "driver=qcow2,file.filename=…,encrypt.key-secret=key' (luks: 'key-secret=key') for an image " +
      "that is there, '-o encrypt.key-secret=key' for a new one.",
  ],
  [/\.marked-corrupt$/, "'disk-img check -r all' repairs it."],
  [
    /^storage\.locked$/,
    'Close it first: it is open in another process, a running virtual machine perhaps, or named twice ' +
      "here. Commands that only read it take '-U', and what they find may be mixed then.",
  ],
];

/** Only a program can do what these say. */
const IS_ABOUT_FUNCTIONS = /limits\.|[{(]|asynchronous|capabilities|\bgate\b/;

/** @returns undefined where nothing can be done, or nothing is known */
export function hintOf(error: unknown): string | undefined {
  if (!(error instanceof DiskError)) return undefined;
  const own = commandHint(error);
  if (own !== undefined) return own;
  const { hint } = error;
  return hint === undefined || IS_ABOUT_FUNCTIONS.test(hint) ? undefined : hint;
}

/** What the command line itself has for such a failure. */
export function commandHint({ detail }: DiskError): string | undefined {
  return HINTS.find(([known]) => known.test(detail))?.[1];
}
