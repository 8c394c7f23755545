/** The options of one run of a command, and what several commands make of them. */
import { formatName } from '@diskfile/command';
import { UserObjects } from 'diskfile';
import { Failure, type Program, usage } from '../program.ts';
import { wordsOf } from '../words/disk-words.ts';
import { type OptionShapes, parseArguments, type ParsedOption } from './getopt.ts';

/** Options that every command takes. */
const COMMON_LONG = { help: 'h' };
const OUTPUT = 'output';
/** Those that qemu-img has for some commands only, or for none. */
const OWN_LONG = { [OUTPUT]: `${OUTPUT}:` };
/** Of all commands that have them: formats of images. */
const FORMAT_OPTIONS: ReadonlySet<string> = new Set(['f', 'F', 'O']);
/** The shortest beginning of it that is no other option's. */
const SHORTEST_OUTPUT = '--ou';

export class CommandOptions {
  readonly operands: readonly string[];
  /** All in the order given. */
  readonly given: readonly ParsedOption[];
  /** What `--object` defines. */
  readonly objects = new UserObjects();
  readonly #values = new Map<string, string[]>();

  /**
   * Also tells the program in which form it is to speak.
   * @throws Failure for arguments that make no sense; HelpWanted for `-h`
   */
  constructor(
    program: Program,
    command: string,
    args: readonly string[],
    { short, long }: OptionShapes,
  ) {
    const own = program.isLookAlike ? {} : OWN_LONG;
    const shapes = { short: `h${short}`, long: { ...COMMON_LONG, ...own, ...long } };
    // Until all is understood, and where it never is, what they seem to ask for counts.
    program.isJson = seemsToAskForJson(program, args);
    const given: ParsedOption[] = [];
    this.operands = parseArguments(command, args, shapes, {
      onOption: (option) => {
        if (option.name === 'h') throw new HelpWanted(command);
        if (option.name === 'object') defineObject(program, this.objects, option.value);
        given.push(program.isLookAlike ? option : withFormatName(option));
      },
    });
    this.given = given;
    for (const { name, value } of given) {
      const values = this.#values.get(name);
      if (values === undefined) this.#values.set(name, [value]);
      else values.push(value);
    }
    if (!program.isLookAlike) program.isJson = this.isJson;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The last one counts. */
  value(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  values(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** @throws Failure unless there is exactly one operand */
  theImage(): string {
    const [filename] = this.operands;
    if (this.operands.length === 1) return filename!;
    throw usage('Expecting one image file name');
  }

  /** @throws Failure for another form than `human` and `json` */
  get isJson(): boolean {
    const form = this.value(OUTPUT) ?? 'human';
    if (form === 'human' || form === 'json') return form === 'json';
    throw new Failure('--output must be used with human or json as argument.');
  }
}

/** The library's name of a format is as good as QEMU's. */
function withFormatName(option: ParsedOption): ParsedOption {
  return FORMAT_OPTIONS.has(option.name) ? { ...option, value: formatName(option.value) } : option;
}

/** @throws Failure */
function defineObject(program: Program, objects: UserObjects, text: string): void {
  if (text === 'help' || text === '?') {
    program.output.text('List of user creatable objects:\n  secret\n  throttle-group\n');
    throw new Failure([], { exitCode: 0 });
  }
  try {
    objects.define(text);
  } catch (error) {
    throw new Failure(wordsOf(error), { cause: error });
  }
}

/** For arguments that nobody has made sense of. */
export function seemsToAskForJson(program: Program, args: readonly string[]): boolean {
  if (program.isLookAlike) return false;
  return args.some((arg, index) => {
    const [name, value = args[index + 1]] = arg.split('=');
    return name!.startsWith(SHORTEST_OUTPUT) && `--${OUTPUT}`.startsWith(name!) && value === 'json';
  });
}

/** Not a failure: the user asks for help. */
export class HelpWanted extends Error {
  override readonly name = 'HelpWanted';
  /** About which he asks, if about one. */
  readonly command: string | undefined;

  constructor(command?: string) {
    super();
    this.command = command;
  }
}

const CACHE_MODES: ReadonlySet<string> = new Set([
  'none',
  'off',
  'writeback',
  'writethrough',
  'directsync',
  'unsafe',
]);

/** Whether there is such a cache mode. The host's cache is used whatever is asked for. */
export function isCacheMode(mode: string): boolean {
  return CACHE_MODES.has(mode);
}

/** @throws Failure for a cache mode of the source that there is not */
export function checkSourceCache(mode: string | undefined): void {
  if (mode !== undefined && !isCacheMode(mode)) {
    throw new Failure(`Invalid source cache option: ${mode}`);
  }
}

/** @throws Failure for a cache mode of the image that is written, as most commands word it */
export function checkCache(mode: string | undefined): void {
  if (mode !== undefined && !isCacheMode(mode)) throw new Failure(`Invalid cache option: ${mode}`);
}
