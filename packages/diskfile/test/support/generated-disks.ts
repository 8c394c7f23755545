/** Disks that scripts write which know the formats from their descriptions alone. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { expect } from 'vitest';
import { openDiskFile, type OpenDiskFileOptions } from '../../src/index.ts';
import { expectContent } from './read-checks.ts';

/** Data and zeros in turns, of lengths that no block has. */
export function patternedContent(sizeBytes: number, factor: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at < bytes.length; at++) {
    const kind = Math.floor(at / 70_000) % 4;
    if (kind === 0) bytes[at] = 97 + ((at * at * factor) % 23);
    else if (kind === 1) bytes[at] = Math.imul(at * factor, 0x9e37_79b1) >>> 24;
  }
  return bytes;
}

/** A copy with some parts overwritten by noise, some by zeros, most of them in the middle of blocks. */
export function changedContent(content: Buffer, seed: number): Buffer {
  const random = new SeededRandom(seed);
  const changed = Buffer.from(content);
  for (let step = 0; step < 12; step++) {
    const start = random.below(content.length);
    const length = random.pick([1, 512, 5000, 40_000]);
    const part = changed.subarray(start, start + length);
    if (step % 3 === 0) part.fill(0);
    else part.set(random.bytes(part.length));
  }
  return changed;
}

/** What to make, and of what; options in one text are separated by single spaces. */
export type Job = readonly [
  kind: string,
  name: string,
  raw: string,
  options?: string | readonly string[],
];

/** A directory in which one script writes the disks of one format. */
export class GeneratedDisks extends QemuDirectory {
  readonly format: string;
  readonly #script: string;
  readonly #random = new SeededRandom(1);

  constructor(format: string) {
    super(mkdtempSync(join(tmpdir(), `diskfile-${format}-kinds-`)));
    this.format = format;
    this.#script = join(import.meta.dirname, `../../../../scripts/${format}/${format}.py`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  put(name: string, bytes: Uint8Array): void {
    writeFileSync(this.file(name), bytes);
  }

  /** A disk with the content of the file `raw`. */
  make(kind: string, name: string, raw: string, options: string | readonly string[] = []): void {
    this.makeAll([[kind, name, raw, options]]);
  }

  /** Several at once: most of the time goes into starting Python. */
  makeAll(jobs: readonly Job[]): void {
    const lines = jobs.map(([kind, name, raw, options = []]) => {
      const given = typeof options === 'string' ? options.split(' ').filter(Boolean) : options;
      return JSON.stringify([kind, name, raw, ...given]);
    });
    const input = lines.join('\n');
    execFileSync('python3', [this.#script, '-'], { cwd: this.path, input });
  }

  /** All ways of reading give the content. */
  async expectDisk(name: string, content: Uint8Array, options: OpenDiskFileOptions = {}) {
    await using disk = await openDiskFile(this.file(name), options);
    expect(disk.format).toBe(this.format);
    await expectContent(disk, content, this.#random);
  }

  /** Where 7-Zip is at hand, it reads the same. */
  expect7zip(name: string, content: Buffer): void {
    if (!haveTools('7zz')) return;
    const args = ['e', '-so', this.file(name)];
    const { stdout } = spawnSync('7zz', args, { maxBuffer: 2 ** 28 });
    expect(stdout.equals(content)).toBe(true);
  }
}
