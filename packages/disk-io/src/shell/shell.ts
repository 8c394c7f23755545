/** Runs commands one after another: those of the command line, or lines from standard input. */
import { LineInput } from './line-input.ts';
import { runLine } from './run-line.ts';
import type { Session } from './session.ts';

/**
 * Requests under way go on where a command waits for the host, and not between two of them.
 * @returns whether all of them went well
 */
export async function runCommands(session: Session, lines: readonly string[]): Promise<boolean> {
  let succeeded = true;
  for (const line of lines) {
    const outcome = await runLine(session, line);
    if (outcome === 'quit') break;
    succeeded &&= outcome === 'done';
  }
  return succeeded;
}

/** Commands from standard input, each behind a prompt. */
export async function runPrompt(session: Session): Promise<boolean> {
  const { console } = session;
  const input = new LineInput();
  let succeeded = true;
  for (;;) {
    console.out(`${console.name}> `);
    console.flush();
    await letOthersGoOn(session);
    const line = await session.waitFor(() => input.next());
    if (line === undefined) return succeeded;
    const outcome = await runLine(session, line);
    if (outcome === 'quit') return succeeded;
    succeeded &&= outcome === 'done';
  }
}

/** Gives requests under way a chance to end and say so. */
async function letOthersGoOn(session: Session): Promise<void> {
  if (session.isIdle) return;
  await new Promise((resolve) => void setImmediate(resolve));
}
