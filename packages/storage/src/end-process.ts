/** How a program that has done all of its work ends. */
import { nativeCalls } from './native-calls.ts';

/**
 * Ends the process with that code. Whatever is to be said or written has to be on its way: nobody
 * is told that the process ends.
 *
 * By itself Node waits for what its compiler does on other threads, which in turn may wait for the
 * main thread to collect garbage, so that one process in some hundreds never ends
 * (nodejs/node#54918, all versions). The C library ends it at once. Without that, Node ends it as
 * soon as nothing is left to be done; so it does where the process is measured, as it writes out at
 * its own end what has been found.
 */
export function endProcess(exitCode: number): void {
  process.exitCode = exitCode;
  const isMeasured = process.execArgv.length > 0 || process.env['NODE_V8_COVERAGE'] !== undefined;
  if (!isMeasured) nativeCalls()?.exit(exitCode);
}
