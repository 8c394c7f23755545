/** QEMU's tools as an oracle: what `qemu-img` says of an image, and `qemu-io` to make one. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { BlockStatus } from '@diskfile/core';

/** One range of `qemu-img map --output=json`. */
export interface QemuMapEntry {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
  readonly offset?: number;
}

/** QEMU's tools in one directory, to which all names are relative. */
export class QemuDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Output of `qemu-img`. @throws Error with its words when it fails. */
  img(...args: readonly string[]): string {
    return execFileSync('qemu-img', args, {
      cwd: this.path,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 28,
    });
  }

  /** Whether `qemu-img` does it. */
  succeeds(...args: readonly string[]): boolean {
    return spawnSync('qemu-img', args, { cwd: this.path, stdio: 'ignore' }).status === 0;
  }

  /** Runs `qemu-io` commands one after another. @throws Error when one of them fails. */
  io(name: string, commands: readonly string[], ...options: readonly string[]): void {
    const args = commands.flatMap((command) => ['-c', command]);
    const { status, stdout, stderr } = spawnSync('qemu-io', [...options, ...args, name], {
      cwd: this.path,
      encoding: 'utf8',
    });
    if (status === 0 && !/failed/i.test(stdout + stderr)) return;
    throw new Error(`qemu-io ${name}: ${stdout}${stderr}`);
  }

  map(name: string): QemuMapEntry[] {
    return JSON.parse(this.img('map', '--output=json', name)) as QemuMapEntry[];
  }
}

/** Block status in the words of `qemu-img map`. */
export function asQemuMap(statuses: Iterable<BlockStatus>): QemuMapEntry[] {
  return Array.from(statuses, (status) => ({
    start: status.guestOffset,
    length: status.lengthBytes,
    depth: status.depth,
    present: status.allocated,
    zero: status.zero,
    data: status.data,
    ...(status.hostOffset === undefined ? {} : { offset: status.hostOffset }),
  }));
}
