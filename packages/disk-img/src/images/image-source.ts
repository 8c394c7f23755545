/** Which image a command line means: by a plain name, or by options that describe it. */
import {
  type BlockOptions,
  parseDiskName,
  parseKeyval,
  type Passphrase,
  UserObjects,
} from 'diskfile';
import type { CommandOptions } from '../arguments/options.ts';
import { isFormat, isKnownFormat, PROTOCOL_FORMATS } from '../formats/known-formats.ts';
import { Failure } from '../program.ts';
import { wordsOf } from '../words/disk-words.ts';
import { filePath } from './file-path.ts';

export interface ImageSource {
  /** As the user named it. */
  readonly filename: string;
  /** Where it lies, when that is all there is to it. */
  readonly path: string | undefined;
  readonly format: string | undefined;
  /** Options that describe it; undefined where a path does. */
  readonly graph: BlockOptions | undefined;
  /** The same as the user has described it, also where a path is all there is to it. */
  readonly described?: BlockOptions;
  readonly objects: UserObjects;
  readonly passphrase?: Passphrase;
}

export interface SourceOptions {
  readonly format?: string | undefined;
  /** Whether the name is in truth a list of options. */
  readonly isOptions?: boolean;
  readonly objects?: UserObjects;
  /** Whether only its header is looked at, for which no secret is needed. */
  readonly withoutKey?: boolean;
  /** How the command ends when the name makes no sense. */
  readonly exitCode?: number;
}

/** @throws Failure for options that make no sense */
export function imageSource(
  filename: string,
  {
    format,
    isOptions = false,
    objects = new UserObjects(),
    withoutKey = false,
    exitCode = 1,
  }: SourceOptions = {},
): ImageSource {
  // That comes before any look at the file.
  if (format !== undefined && !isKnownFormat(format)) {
    throw new Failure(`Could not open '${filename}': Unknown driver '${format}'`, { exitCode });
  }
  const isDriver = format !== undefined && PROTOCOL_FORMATS.has(format);
  const path = isOptions || isDriver || filename === '' ? undefined : filePath(filename);
  const source = { filename, path, format, objects };
  if (path !== undefined) return { ...source, graph: undefined };
  if (isOptions && !/[=,]/.test(filename)) {
    const reason = `Cannot find device='${filename}' nor node-name='${filename}'`;
    throw new Failure(`Could not open '${filename}': ${reason}`, { exitCode });
  }
  try {
    const graph = isOptions ? parseKeyval(filename) : parseDiskName(filename, format);
    if (format !== undefined) graph.set('driver', format);
    const described = graph.copy();
    if (withoutKey) for (const name of SECRET_NAMES) graph.take(name);
    return { ...source, graph, described, ...plainImage(graph, objects) };
  } catch (error) {
    throw new Failure(`Could not open '${filename}': ${wordsOf(error)}`, {
      exitCode,
      cause: error,
    });
  }
}

const SECRET_NAMES = ['key-secret', 'encrypt.key-secret'] as const;

/** A file of that path, whatever it looks like. */
export function fileSource(path: string, format: string): ImageSource {
  return { filename: path, path, format, graph: undefined, objects: new UserObjects() };
}

/**
 * A format over a file, and the secret that opens it: what most options come to. Such an image can
 * be opened by several threads.
 */
function plainImage(graph: BlockOptions, objects: UserObjects): Partial<ImageSource> {
  const options = graph.copy();
  const format = options.takeText('driver');
  const isFile = (options.takeText('file.driver') ?? 'file') === 'file';
  const path = options.takeText('file.filename');
  const secret = options.takeText('key-secret') ?? options.takeText('encrypt.key-secret');
  // Whether a secret that is missing is missed, the image itself has to say.
  const isKeyed = secret === undefined || objects.hasSecret(secret);
  const isPlain = isFile && options.isEmpty && path !== undefined && path !== '' && isKeyed;
  if (!isPlain || format === undefined || !isFormat(format)) return {};
  const passphrase = secret === undefined ? {} : { passphrase: objects.secret(secret) };
  return { graph: undefined, path, format, ...passphrase };
}

/** Whether the operands are options and not names. @throws Failure for a format besides */
export function takesImageOptions(options: CommandOptions, ...formats: string[]): boolean {
  const isOptions = options.has('image-opts');
  if (isOptions && formats.some((name) => options.has(name))) {
    throw new Failure('--image-opts and --format are mutually exclusive');
  }
  return isOptions;
}
