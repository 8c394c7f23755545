/** What a command of the shell is. */
import type { GivenArguments, OptionJudge } from '../program/getopt.ts';
import type { Session } from './session.ts';

/** How a command ended: well, with a failure that has been told of, or with its arguments refused. */
export type Outcome = 'done' | 'failed' | 'usage' | 'quit';

export interface Command {
  readonly name: string;
  /** A shorter name. */
  readonly alias?: string;
  /** Arguments behind the name: how many at least and, if there is a bound, at most. */
  readonly atLeast: number;
  readonly atMost?: number;
  /** Options, as for getopt(3); left out where what looks like one is an operand as well. */
  readonly options?: string;
  /** Refuses values while the options are read: the first mistake on the line is what is told of. */
  readonly judge?: OptionJudge;
  readonly synopsis?: string;
  readonly summary: string;
  /** What `help` adds to the summary. */
  readonly help?: string;
  /** Whether it can do without an open disk. */
  readonly needsNoDisk?: boolean;
  /** Whether it changes the disk. */
  readonly writes?: boolean;
  run(session: Session, given: GivenArguments): Promise<Outcome> | Outcome;
}

/** The line that explains a command. */
export function synopsisOf({ synopsis, summary }: Command, name: string): string {
  return `${name}${synopsis === undefined ? '' : ` ${synopsis}`} -- ${summary}\n`;
}
