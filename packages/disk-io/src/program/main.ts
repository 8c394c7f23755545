/** From the arguments of the process to its exit code. */
import { basename } from 'node:path';
import { undecodable, wordsOf } from '@diskfile/command';
import { BlockOptions, DiskError, UserObjects } from 'diskfile';
import { open, parseOptions } from '../commands/open-commands.ts';
import { DEFAULT_REQUEST, type OpenRequest } from '../shell/open-disk.ts';
import { Session } from '../shell/session.ts';
import { runCommands, runPrompt } from '../shell/shell.ts';
import { Console } from './console.ts';
import { type GivenArguments, OptionFault, readArguments } from './getopt.ts';
import { AIO_MODES, cacheMode, discardMode, NO_CACHE } from './modes.ts';
import { PROGRAM_OPTIONS, usageText } from './usage.ts';

declare const COMMAND_VERSION: string;

/** @param argv interpreter, program, and arguments */
export async function main(argv: readonly string[]): Promise<number> {
  const console = new Console(basename(argv[1] ?? 'disk-io').replace(/\.js$/, ''));
  // Also where it ends early: waiting for what cannot happen.
  process.once('exit', () => console.flush());
  try {
    return await run(console, readArguments(argv.slice(2), PROGRAM_OPTIONS));
  } catch (error) {
    if (!(error instanceof OptionFault)) throw error;
    console.error(error.message);
    console.out(usageText(console.name));
    return 1;
  } finally {
    console.flush();
  }
}

/** Thrown with what the program says before it ends. */
class StartFault extends Error {
  override readonly name = 'StartFault';
}

/** What the options ask for. */
interface Invocation {
  readonly commands: readonly string[];
  readonly request: OpenRequest;
  readonly byOptions: boolean;
}

async function run(console: Console, given: GivenArguments): Promise<number> {
  const objects = new UserObjects();
  let invocation: Invocation;
  try {
    const ready = saidAtOnce(console, given);
    if (ready) return 0;
    const fault = undecodable([...given.operands, ...given.options.map(({ value }) => value)]);
    if (fault !== undefined) throw new StartFault(fault);
    invocation = invocationOf(given);
    if (given.operands.length > 1) {
      console.out(usageText(console.name));
      return 1;
    }
    if (invocation.byOptions && given.options.some(({ name }) => name === 'f')) {
      throw new StartFault('--image-opts and -f are mutually exclusive');
    }
    for (const { name, value } of given.options) if (name === 'object') objects.define(value);
  } catch (error) {
    if (!(error instanceof StartFault) && !(error instanceof DiskError)) throw error;
    console.error(error instanceof DiskError ? wordsOf(error) : error.message);
    return 1;
  }
  const session = new Session(console, objects, invocation.byOptions);
  const [target] = given.operands;
  if (target !== undefined && !(await openTarget(session, invocation, target))) return 1;
  const { commands } = invocation;
  const succeeded =
    commands.length > 0 ? await runCommands(session, commands) : await runPrompt(session);
  return (await session.close()) && succeeded ? 0 : 1;
}

function saidAtOnce(console: Console, { options }: GivenArguments): boolean {
  const first = options.find(({ name }) => name === 'h' || name === 'V');
  if (first === undefined) return false;
  const version = `${console.name} version ${COMMAND_VERSION} (diskfile)\n`;
  console.out(first.name === 'h' ? usageText(console.name) : version);
  return true;
}

function invocationOf({ options }: GivenArguments): Invocation {
  let request = DEFAULT_REQUEST;
  const commands: string[] = [];
  for (const { name, value } of options) {
    if (name === 'c') commands.push(value);
    else request = { ...request, ...changeOf(name, value) };
  }
  return { commands, request, byOptions: options.some(({ name }) => name === 'image-opts') };
}

/** What one option changes in how the disk is opened. */
function changeOf(name: string, value: string): Partial<OpenRequest> {
  if (name === 'r') return { writable: false };
  if (name === 's') return { temporary: true };
  if (name === 'n') return { cache: NO_CACHE };
  if (name === 'C') return { copyOnRead: true };
  if (name === 'U') return { forceShare: true };
  if (name === 'k') return { nativeAio: true };
  if (name === 'f') {
    const options = new BlockOptions();
    options.set('driver', value);
    return { options };
  }
  const wrong = (what: string) => new StartFault(`Invalid ${what} option: ${value}`);
  if (name === 't') {
    const cache = cacheMode(value);
    if (cache === undefined) throw wrong('cache');
    return { cache };
  }
  if (name === 'd') {
    const discards = discardMode(value);
    if (discards === undefined) throw wrong('discard');
    return { discards };
  }
  if (name === 'i') {
    if (!AIO_MODES.has(value)) throw wrong('aio');
    return { nativeAio: value === 'native' };
  }
  return {};
}

async function openTarget(
  session: Session,
  { request, byOptions }: Invocation,
  target: string,
): Promise<boolean> {
  const given = byOptions ? { options: parseOptions(session, target) } : { name: target };
  return (await open(session, { ...request, ...given })) === 'done';
}
