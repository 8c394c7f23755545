/** Modes of caches, discards and asynchronous I/O by the names that command lines give them. */

export interface CacheMode {
  /** Whether each write is durable before it counts as done. */
  readonly writethrough: boolean;
  /** Whether flushes are left out. */
  readonly unsafe: boolean;
  readonly direct: boolean;
}

const CACHES: Readonly<Record<string, CacheMode>> = {
  none: { writethrough: false, unsafe: false, direct: true },
  off: { writethrough: false, unsafe: false, direct: true },
  directsync: { writethrough: true, unsafe: false, direct: true },
  writeback: { writethrough: false, unsafe: false, direct: false },
  unsafe: { writethrough: false, unsafe: true, direct: false },
  writethrough: { writethrough: true, unsafe: false, direct: false },
};

export const DEFAULT_CACHE = CACHES['writethrough']!;
export const NO_CACHE = CACHES['none']!;

export function cacheMode(name: string): CacheMode | undefined {
  return Object.hasOwn(CACHES, name) ? CACHES[name] : undefined;
}

const DISCARDS: Readonly<Record<string, boolean>> = {
  ignore: false,
  off: false,
  unmap: true,
  on: true,
};

/** Whether discards reach the image; undefined for what is no such mode. */
export function discardMode(name: string): boolean | undefined {
  return Object.hasOwn(DISCARDS, name) ? DISCARDS[name] : undefined;
}

export const AIO_MODES: ReadonlySet<string> = new Set(['threads', 'native', 'io_uring']);
