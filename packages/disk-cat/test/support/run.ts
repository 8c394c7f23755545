/** Runs the built commands as a shell would. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';

export const IMAGES = join(import.meta.dirname, '../../../../test-images');
export const GUEST = join(IMAGES, 'debian-guest.qcow2');
export const HOSTILE = join(import.meta.dirname, '../images/hostile.ext2');

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly bytes: Buffer;
  /** Standard output as text. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

export function commandPath(command: string): string {
  return join(import.meta.dirname, `../../bin/${command}.js`);
}

export function start(command: string, args: readonly string[], options: RunOptions = {}) {
  return spawn(process.execPath, [commandPath(command), ...args], {
    cwd: options.cwd,
    env: { ...process.env, TZ: 'UTC', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  return finish(start(command, args, options));
}

/** Runs a script of bash with `$0`, `$1` … set. */
export function shell(script: string, args: readonly string[]): Promise<Finished> {
  return finish(spawn('bash', ['-c', script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
}

function finish(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Finished> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const bytes = Buffer.concat(out);
      const stderr = Buffer.concat(err).toString();
      resolve({ code, signal, bytes, stdout: bytes.toString(), stderr });
    });
  });
}

/** Runs a command that has to succeed. */
export async function succeed(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const finished = await run(command, args, options);
  if (finished.code !== 0) {
    throw new Error(`${command} ${args.join(' ')} exited ${finished.code}: ${finished.stderr}`);
  }
  return finished;
}

/** A directory that is gone when the test is over. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'disk-cat-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The lines of JSON on standard error. */
export function jsonLines(stderr: string): Record<string, unknown>[] {
  return stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
