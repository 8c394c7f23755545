/** The machine that the benchmark runs on: its programs, and places for files. */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Directories of system programs are often missing from the search path of ordinary users. */
const MORE_DIRECTORIES = ['/usr/sbin', '/sbin'];

/** Path of a program, undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_DIRECTORIES];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where images are kept from one run to the next. */
export function imageDirectory(): string {
  return made(join(tmpdir(), 'diskfile-bench'));
}

/** Where results are written: in memory, so that no drive is measured. */
export function scratchDirectory(): string {
  const memory = '/dev/shm';
  return made(join(existsSync(memory) ? memory : tmpdir(), `diskfile-bench-${process.pid}`));
}

function made(directory: string): string {
  mkdirSync(directory, { recursive: true });
  return directory;
}

const MEMORY_CHUNK = Buffer.alloc(4 * 1024 * 1024, 1);

/**
 * Takes as much memory and gives it back. The host of a virtual machine reclaims what is free, and
 * whoever uses it next waits for it: several times as long as for all else that copying a file takes.
 */
export function claimMemory(directory: string, lengthBytes: number): void {
  const path = join(directory, 'claimed');
  const fd = openSync(path, 'w');
  try {
    for (let done = 0; done < lengthBytes; done += MEMORY_CHUNK.length) {
      writeSync(fd, MEMORY_CHUNK);
    }
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

/** Runs a program to its end. @throws Error with what it wrote to stderr when it fails */
export function runProgram(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}
