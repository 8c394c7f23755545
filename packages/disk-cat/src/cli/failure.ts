/** How commands end: exit codes, and the failures that are not the image's. */

/** Documented in every `--help`. Ctrl-C ends a command by the signal itself; shells show 130. */
export const EXIT = {
  success: 0,
  /** The image, a path in it or the host stood in the way. */
  failure: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** Whoever read the output went away: what a shell shows for SIGPIPE. */
  brokenPipe: 141,
} as const;

/** The command line asks for what cannot be. The message is one sentence without a full stop. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
