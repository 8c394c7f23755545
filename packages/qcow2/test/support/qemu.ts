/** The genuine tools, on files in a directory of their own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreateOptions } from './writable-image.ts';

/** A directory that goes away with the test. */
export class WorkDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'qcow2-'));

  write(name: string, bytes: Uint8Array): void {
    writeFileSync(join(this.path, name), bytes);
  }

  read(name: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.path, name)));
  }

  /** Runs a tool in the directory. @returns what it prints */
  run(tool: 'qemu-img' | 'qemu-io', ...args: string[]): string {
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
    return execFileSync(tool, args, { cwd: this.path, encoding: 'utf8', stdio });
  }

  /** Starts a server that ends with its first client; returns when it listens. */
  serve(...args: string[]): void {
    execFileSync('qemu-nbd', ['--fork', ...args], { cwd: this.path, stdio: 'ignore' });
  }

  createQcow2(name: string, sizeBytes: number, options: CreateOptions): void {
    const list = Object.entries(options).map(([key, value]) => {
      const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : value;
      return `${key}=${text}`;
    });
    const given = list.length === 0 ? [] : ['-o', list.join(',')];
    this.run('qemu-img', 'create', '-q', '-f', 'qcow2', ...given, name, String(sizeBytes));
  }

  /** Refuses what `qemu-img check` calls an error or a leak. */
  check(name: string): void {
    this.run('qemu-img', 'check', '-q', '-f', 'qcow2', name);
  }

  /** What `qemu-img check` counts, whatever it finds. */
  report(name: string): Record<string, unknown> {
    const args = ['check', '--output=json', '-f', 'qcow2', name];
    const { stdout } = spawnSync('qemu-img', args, { cwd: this.path, encoding: 'utf8' });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** What the tool reads from the disk. */
  contentOf(name: string): Uint8Array {
    this.run('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', name, 'content.raw');
    return this.read('content.raw');
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
