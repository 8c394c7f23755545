/** What to do about an error, in the words of these commands where the library has none. */
import type { DiskError } from 'diskfile';

const HINTS: Readonly<Record<string, string>> = {
  'filesystem.not-found': 'disk-ls shows what is there.',
  'filesystem.not-a-directory': 'disk-ls shows what is there.',
  'filesystem.is-a-directory': 'List it with disk-ls, or copy it with disk-cp -r.',
  'filesystem.not-a-file': 'disk-ls -l shows what it is.',
};

/** The error's own hint, or one of ours; undefined when nothing can be done. */
export function hintOf({ hint, detail }: DiskError): string | undefined {
  return hint ?? HINTS[detail];
}
