/**
 * What the platform offers beyond the language. This package imports no `node:` module, so it runs
 * in a browser too; under Node and its kin the built-in modules are asked for at run time.
 */
import { builtinModule, DiskError } from '@diskfile/bytes';
import { hostCall, type Step } from '@diskfile/core';
import type {
  Deflate,
  Inflate,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateSetDictionary,
  ZStream,
} from 'pako';

interface NodeLike {
  readonly process?: {
    readonly versions?: Readonly<Record<string, string | undefined>>;
  };
}

interface ModuleBuiltin {
  createRequire(from: string): Require;
}

interface Require {
  (specifier: string): unknown;
  resolve(specifier: string): string;
}

type Callback = (error: Error | null, result: Uint8Array) => void;

export interface ZlibOptions {
  /** Size of the first output buffer; more are made as needed. */
  readonly chunkSize: number;
  /** More output than this is an error. */
  readonly maxOutputLength: number;
  readonly finishFlush?: number;
}

/** What deflate can be told besides. */
export interface DeflateSettings {
  readonly windowBits: number;
  readonly memLevel: number;
  readonly level: number;
}

/** Parameters of libzstd by their numbers. */
export interface ZstdSettings {
  readonly params: Readonly<Record<number, number>>;
  /** How long the content is; a frame then tells it. */
  readonly pledgedSrcSize?: number;
}

/** The part of `node:zlib` that is used here; zstd came with Node 22.15. */
export interface NodeZlib {
  inflateRawSync(src: Uint8Array, options: ZlibOptions): Uint8Array;
  inflateRaw(src: Uint8Array, options: ZlibOptions, done: Callback): void;
  createInflateRaw(): unknown;
  deflateRaw(src: Uint8Array, options: ZlibOptions & DeflateSettings, done: Callback): void;
  deflateRawSync(src: Uint8Array, options: ZlibOptions & DeflateSettings): Uint8Array;
  createDeflateRaw(options: DeflateSettings): unknown;
  deflate(src: Uint8Array, options: ZlibOptions & DeflateSettings, done: Callback): void;
  deflateSync(src: Uint8Array, options: ZlibOptions & DeflateSettings): Uint8Array;
  createDeflate(options: DeflateSettings): unknown;
  zstdDecompressSync?(src: Uint8Array, options: ZlibOptions): Uint8Array;
  zstdDecompress?(src: Uint8Array, options: ZlibOptions, done: Callback): void;
  createZstdDecompress?(options: ZstdSettings): unknown;
  zstdCompressSync?(src: Uint8Array, options: ZlibOptions & ZstdSettings): Uint8Array;
  zstdCompress?(src: Uint8Array, options: ZlibOptions & ZstdSettings, done: Callback): void;
  createZstdCompress?(options: ZstdSettings): unknown;
}

/** The part of pako that is used here. */
export interface Pako {
  readonly Deflate: typeof Deflate;
  readonly Inflate: typeof Inflate;
  readonly ZStream: typeof ZStream;
  readonly zlibInflate: typeof zlibInflate;
  readonly zlibInflateInit2: typeof zlibInflateInit2;
  readonly zlibInflateSetDictionary: typeof zlibInflateSetDictionary;
}

/** Loading it takes a start several milliseconds, so whoever only might need it waits with that. */
export function nodeZlib(): NodeZlib | undefined {
  return builtinModule<NodeZlib>('node:zlib');
}

/** Whether there is a {@link nodeZlib}, told without loading it where Node says so. */
export function hasNodeZlib(): boolean {
  return nodeMajor() !== undefined || nodeZlib() !== undefined;
}

export function hasZstd(zlib: NodeZlib | undefined): zlib is Required<NodeZlib> {
  // All of it came with the same version of Node.
  return zlib?.zstdDecompressSync !== undefined;
}

/** Major version of Node; undefined elsewhere, in its imitators too. */
export function nodeMajor(): number | undefined {
  const { node, bun, deno } = (globalThis as NodeLike).process?.versions ?? {};
  return node === undefined || (bun ?? deno) !== undefined ? undefined : Number.parseInt(node, 10);
}

/** How packages are found from here without waiting; undefined outside Node. */
export function packageRequire(): Require | undefined {
  return builtinModule<ModuleBuiltin>('node:module')?.createRequire(import.meta.url);
}

/** Whether an optional package is installed and can be loaded without waiting. */
export function hasPackage(specifier: string): boolean {
  try {
    return packageRequire()?.resolve(specifier) !== undefined;
  } catch {
    return false;
  }
}

/** A step that loads a package on first use: with `importIt` where there is time to wait. */
export function* loadPackage<T>(specifier: string, importIt: () => Promise<T>): Step<T> {
  return yield* hostCall(() => requirePackage<T>(specifier), importIt);
}

/** @throws DiskError `unsupported` where packages cannot be loaded without waiting. */
export function requirePackage<T>(specifier: string): T {
  const require = packageRequire();
  if (require === undefined) throw cannotLoadNow(specifier);
  try {
    return require(specifier) as T;
  } catch (cause) {
    throw cannotLoadNow(specifier, cause);
  }
}

export function cannotLoadNow(specifier: string, cause?: unknown): DiskError {
  return new DiskError(
    'unsupported',
    'codec.load',
    `The package ${specifier} cannot be loaded synchronously here`,
    { cause, hint: 'Open the disk asynchronously, or install the package.' },
  );
}
