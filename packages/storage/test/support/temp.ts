/** A directory for one test file's files, and bytes to put there. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** Makes a directory that disappears when the test file has run. Its path has no symbolic link. */
export function tempDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'diskfile-')));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function writeTemp(directory: string, name: string, content: Uint8Array | string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** Bytes that differ from those of other offsets within any 64 KiB. */
export function pattern(lengthBytes: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let at = 0; at < lengthBytes; at++) bytes[at] = (at * 167 + (at >> 8) * 13 + seed) & 0xff;
  return bytes;
}
