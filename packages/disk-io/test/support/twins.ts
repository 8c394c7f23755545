/** Two directories with the same files: qemu-io works in one, disk-io in the other. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { QemuDirectory } from '@diskfile/testkit';

const BIN = resolve(import.meta.dirname, '../../bin/disk-io.js');

export interface Said {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Times and rates in the places where they stand. */
export function withoutTimes(text: string): string {
  return text
    .replaceAll(
      /(\d+ ops); [\d:.]+(?: sec)? \([\d.]+ (?:[KMGTPE]i)?[Bb](?:ytes)?\/sec and [\d.]+ ops\/sec\)/g,
      '$1; TIME',
    )
    .replaceAll(/\nSee <https:.*>[^\n]*\n.*<https:.*>\.\n/g, '')
    .replaceAll(/(\d+,\d+),\d+:\d\d:\d\d\.\d\d,[\d.]+,[\d.]+$/gm, '$1,TIME');
}

export class Twins {
  readonly path = mkdtempSync(join(tmpdir(), 'disk-io-twins-'));
  readonly #links = join(this.path, 'links');

  constructor() {
    mkdirSync(this.#links);
    // Called by the same name, both say the same name.
    symlinkSync(BIN, join(this.#links, 'qemu-io'));
    mkdirSync(join(this.path, 'template'));
  }

  /** Makes a file that both find. */
  img(...args: readonly string[]): void {
    new QemuDirectory(join(this.path, 'template')).img(...args);
  }

  io(...args: readonly string[]): void {
    execFileSync('qemu-io', args, { cwd: join(this.path, 'template'), stdio: 'pipe' });
  }

  /** Starts anew from the files made so far, or a few of them. */
  reset(): void {
    for (const side of ['theirs', 'ours']) {
      const directory = join(this.path, side);
      rmSync(directory, { recursive: true, force: true });
      cpSync(join(this.path, 'template'), directory, { recursive: true });
    }
  }

  /** In it, qemu-io is disk-io. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, PATH: `${this.#links}:${process.env['PATH']}` };
  }

  theirs(args: readonly string[], input = ''): Said {
    return this.#run('qemu-io', 'theirs', args, input);
  }

  ours(args: readonly string[], input = ''): Said {
    return this.#run(join(this.#links, 'qemu-io'), 'ours', args, input);
  }

  #run(program: string, side: string, args: readonly string[], input: string): Said {
    const { status, signal, stdout, stderr } = spawnSync(program, args, {
      cwd: join(this.path, side),
      input,
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { status, signal, stdout: withoutTimes(stdout), stderr };
  }

  /** SHA-256 of a file's bytes on either side; equal where both are missing. */
  digests(name: string): { theirs: string; ours: string } {
    const digest = (side: string): string => {
      const path = join(this.path, side, name);
      if (!existsSync(path)) return 'missing';
      return createHash('sha256').update(readFileSync(path)).digest('hex');
    };
    return { theirs: digest('theirs'), ours: digest('ours') };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
