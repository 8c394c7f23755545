/** The commands of this project and of QEMU as contenders: whole processes. */
import { fileURLToPath } from 'node:url';
import { type Contender, runTimed } from './measure.ts';

function bin(name: string): string {
  return fileURLToPath(new URL(`../../packages/${name}/bin/${name}.js`, import.meta.url));
}

export const DISK_CAT = bin('disk-cat');
export const DISK_IMG = bin('disk-img');
export const DISK_IO = bin('disk-io');

export interface CommandOptions {
  /** Clears away what an earlier turn left. */
  readonly prepare?: () => void;
  /** What the command prints is long, and not looked at. */
  readonly discardOutput?: boolean;
}

/** Runs a command of this project; its peak memory is watched. */
export function command(path: string, args: readonly string[], more?: CommandOptions): Contender {
  return wholeProcess(process.execPath, [path, ...args], 'diskfile', more);
}

export function qemuCommand(
  qemuImg: string,
  args: readonly string[],
  more?: CommandOptions,
): Contender {
  return wholeProcess(qemuImg, args, `qemu-img ${args[0]}`, more);
}

function wholeProcess(
  program: string,
  args: readonly string[],
  name: string,
  { prepare, discardOutput = false }: CommandOptions = {},
): Contender {
  return {
    name,
    ...(prepare === undefined ? {} : { prepare }),
    run: () => runTimed(program, args, { watchMemory: true, discardOutput }),
  };
}
