/** What a command is to the program. */
import type { ImageSource } from './images/image-source.ts';
import type { Program } from './program.ts';

/**
 * What a command comes to: its exit code, or, where it has made or changed images and all went well,
 * these. Programs are told what they are now.
 */
export type Outcome = number | ImageSource | readonly ImageSource[];

export type Command = (program: Program, args: readonly string[]) => Outcome | Promise<Outcome>;
