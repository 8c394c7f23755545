/**
 * Calls of the C library that Node does not have: holes, preallocation, locks, an end without delay.
 * They are reached by the optional package `koffi`, loaded when first asked. Without it, and on hosts
 * where their arguments would look different, there are none and everybody goes on without.
 */
import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';

export interface NativeCalls {
  /** New file offset, or −1. */
  lseek(fd: number, offset: number, whence: number): number;
  /** 0, or −1. Linux only. */
  readonly fallocate:
    | ((fd: number, mode: number, offset: number, lengthBytes: number) => number)
    | undefined;
  /** fcntl(2) with a pointer to a structure: 0, or −1. Linux only. */
  readonly fcntl: ((fd: number, command: number, structure: Uint8Array) => number) | undefined;
  /** Ends the process on the spot: nobody gets to know of it, no buffer is written out. */
  exit(exitCode: number): void;
  /** Name of the error of the call before, `EIO`; only right after it. */
  lastError(): string;
}

type NativeFunction = (...args: unknown[]) => number;

/** The part of koffi that is used here. */
interface Koffi {
  load(library: null): { func(prototype: string): NativeFunction };
  errno(): number;
}

/** Where the C library's plain calls take 32-bit offsets. */
const NARROW_ARCHITECTURES = new Set(['arm', 'ia32', 'mips', 'mipsel']);

let calls: NativeCalls | undefined;
let sought = false;

/** The calls, undefined where they cannot be had. */
export function nativeCalls(): NativeCalls | undefined {
  if (sought) return calls;
  sought = true;
  if (process.platform === 'win32' || NARROW_ARCHITECTURES.has(process.arch)) return undefined;
  try {
    calls = bind(createRequire(import.meta.url)('koffi') as Koffi);
  } catch {
    // Not installed, or no prebuilt binary for this host.
  }
  return calls;
}

/**
 * Goes on without them in this thread. A worker that is terminated while it loads a native package
 * takes the whole process down, so short-lived workers do without; their starter has the locks, and
 * holes read as the zeros that they are.
 */
export function disableNativeCalls(): void {
  calls = undefined;
  sought = true;
}

function bind(koffi: Koffi): NativeCalls {
  const library = koffi.load(null);
  const isLinux = process.platform === 'linux';
  const lseek = library.func('int64_t lseek(int fd, int64_t offset, int whence)');
  const fallocate = isLinux
    ? library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
    : undefined;
  // Variadic in C, and passed differently from other arguments on some processors.
  const fcntl = isLinux ? library.func('int fcntl(int fd, int command, ...)') : undefined;
  const exit = library.func('void _exit(int status)');
  return {
    lseek,
    exit,
    fallocate,
    fcntl: fcntl && ((fd, command, structure) => fcntl(fd, command, 'void *', structure)),
    lastError: () => getSystemErrorName(-koffi.errno()),
  };
}
