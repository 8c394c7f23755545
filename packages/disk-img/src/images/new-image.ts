/** What a new image is to be, from the options of a command line to those of the library. */
import { DiskError, type Passphrase, type UserObjects } from 'diskfile';
import type { OptionValues } from '../arguments/option-list.ts';
import type { FormatOption } from '../formats/format-options.ts';

export interface Backing {
  readonly name: string;
  readonly format?: string;
}

export interface NewImage {
  /** Virtual size; undefined where the options give none, and above what a number holds a bigint. */
  readonly sizeBytes: number | bigint | undefined;
  /** What the format itself takes. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly backing?: Backing;
  readonly passphrase?: Passphrase;
}

/** Options of the file rather than of the format; the host decides about these. */
const FILE_OPTION_NAMES: ReadonlySet<string> = new Set(['nocow', 'extent_size_hint']);
/** Formats with a preallocation of their own. */
const PREALLOCATING: ReadonlySet<string> = new Set(['qcow2', 'raw', 'file', 'luks']);

/** @throws DiskError for a secret that there is not, or a preallocation */
export function newImage(format: string, values: OptionValues, objects: UserObjects): NewImage {
  const options: Record<string, string | number | boolean> = {};
  for (const [name, { text, value }] of values) {
    if (FILE_OPTION_NAMES.has(name) || name.startsWith('backing_') || name === 'size') continue;
    if (name.endsWith('key-secret')) continue;
    if (name === 'preallocation') {
      refuseFilePreallocation(format, text);
      if (!PREALLOCATING.has(format)) continue;
    }
    options[name] = typeof value === 'bigint' ? text : value;
  }
  if (format === 'vhdx') roundVhdxOptions(options);
  const backing = backingOf(values);
  const passphrase = passphraseOf(values, objects);
  return {
    sizeBytes: values.get('size')?.value as number | bigint | undefined,
    options,
    ...(backing === undefined ? {} : { backing }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

/** What the file that an image lies in is asked for; formats with words of their own judge later. */
function refuseFilePreallocation(format: string, mode: string): void {
  if (format === 'qcow2' || mode === 'off') return;
  if (format !== 'host_device' && (mode === 'falloc' || mode === 'full')) return;
  if (format === 'luks' && mode === 'metadata') return;
  if (format === 'host_device') {
    throw new DiskError(
      'invalid-argument',
      'command.option',
      `Unsupported preallocation mode '${mode}'`,
    );
  }
  const words =
    mode === 'metadata'
      ? 'Unsupported preallocation mode: metadata'
      : `invalid parameter value: ${mode}`;
  throw new DiskError('invalid-argument', 'command.option', words);
}

export function backingOf(values: OptionValues): Backing | undefined {
  const name = values.get('backing_file')?.text;
  if (name === undefined) return undefined;
  const format = values.get('backing_fmt')?.text;
  return format === undefined ? { name } : { name, format };
}

function passphraseOf(values: OptionValues, objects: UserObjects): Passphrase | undefined {
  const id = (values.get('encrypt.key-secret') ?? values.get('key-secret'))?.text;
  return id === undefined ? undefined : objects.secret(id);
}

/** Puts in the options of `-b` and `-F`. @returns why that cannot be */
export function addBacking(
  values: OptionValues,
  known: readonly FormatOption[],
  { name, format }: { readonly name: string | undefined; readonly format: string | undefined },
): 'no-backing' | 'no-backing-format' | undefined {
  const takesBacking = known.some((option) => option.name === 'backing_file');
  if (name !== undefined) {
    if (!takesBacking) return 'no-backing';
    values.set('backing_file', { text: name, value: name });
  }
  if (format !== undefined) {
    if (!takesBacking) return 'no-backing-format';
    values.set('backing_fmt', { text: format, value: format });
  }
  return undefined;
}

export function backingRefusal(fault: 'no-backing' | 'no-backing-format', format: string): string {
  const what = fault === 'no-backing' ? 'Backing file' : 'Backing file format';
  return `${what} not supported for file format '${format}'`;
}

const MIB = 1024 * 1024;
const MAX_VHDX_BLOCK_BYTES = 256 * MIB;

/** What is out of range goes to its end, but a log of nothing is refused. */
function roundVhdxOptions(options: Record<string, string | number | boolean>): void {
  const { block_size: blockSize, log_size: logSize } = options;
  if (typeof blockSize === 'number' && blockSize > MAX_VHDX_BLOCK_BYTES) {
    options['block_size'] = MAX_VHDX_BLOCK_BYTES;
  }
  if (typeof logSize === 'number' && logSize > 0 && logSize < MIB) options['log_size'] = MIB;
}
