import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { createDiskFileSync, openDiskFileSync, type OpenDiskFileOptions } from 'diskfile';

const SCRIPT = join(import.meta.dirname, 'support/open-image.mjs');
const WRITER = { readOnly: false };
const READER = {};
const SHARING_READER = { forceShare: true };

/** Whether the second may open what the first has open; `warned` when it hears of the first. */
const CASES: readonly [string, OpenDiskFileOptions, string, OpenDiskFileOptions, string][] = [
  ['writer', WRITER, 'writer', WRITER, 'busy'],
  ['writer', WRITER, 'reader', READER, 'busy'],
  ['reader', READER, 'writer', WRITER, 'busy'],
  ['reader', READER, 'reader', READER, 'open'],
  ['writer', WRITER, 'reader that shares by force', SHARING_READER, 'warned'],
  ['reader that shares by force', SHARING_READER, 'writer', WRITER, 'open'],
];

const directory = mkdtempSync(join(tmpdir(), 'two-processes-'));
const path = join(directory, 'image.qcow2');

beforeAll(() => createDiskFileSync(path, { format: 'qcow2', sizeBytes: 1024 * 1024 }));
afterAll(() => rmSync(directory, { recursive: true }));

describe('two processes and one image', () => {
  it.each(CASES)('%s here, then %s there', async (_, first, _second, second, expected) => {
    const disk = openDiskFileSync(path, first);
    try {
      const other = new OtherProcess(second);
      expect(await other.outcome()).toBe(expected);
      await other.end();
    } finally {
      disk.closeSync();
    }
  });

  it.each(CASES)('%s there, then %s here', async (_, first, _second, second, expected) => {
    const other = new OtherProcess(first);
    try {
      expect(await other.outcome()).toBe('open');
      expect(outcomeHere(second)).toBe(expected);
    } finally {
      await other.end();
    }
    // With its end the other process has given up its locks.
    expect(outcomeHere(second)).toBe('open');
  });

  it('a writer that is killed leaves no lock behind', async () => {
    const other = new OtherProcess(WRITER);
    expect(await other.outcome()).toBe('open');
    expect(outcomeHere(WRITER)).toBe('busy');
    await other.kill();
    expect(outcomeHere(WRITER)).toBe('open');
  });
});

function outcomeHere(options: OpenDiskFileOptions): string {
  try {
    const disk = openDiskFileSync(path, options);
    disk.closeSync();
    return disk.warnings.length === 0 ? 'open' : 'warned';
  } catch (error) {
    if (error instanceof DiskError) return error.code;
    throw error;
  }
}

class OtherProcess {
  readonly #child: ChildProcess;

  constructor(options: OpenDiskFileOptions) {
    this.#child = spawn(process.execPath, [SCRIPT, path, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  }

  async outcome(): Promise<string> {
    const [line] = (await once(this.#child.stdout!.setEncoding('utf8'), 'data')) as [string];
    const [word = '', warnings] = line.trim().split(' ');
    return word === 'open' && warnings !== '0' ? 'warned' : word;
  }

  async end(): Promise<void> {
    this.#child.stdin!.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
