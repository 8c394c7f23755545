/** The same work done by QEMU's tools and by diskfile, each on an image of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QemuDirectory } from '@diskfile/testkit';
import { expect } from 'vitest';
import {
  type CreateDiskFileOptions,
  createDiskFileSync,
  openDiskFileSync,
} from '../../src/index.ts';

/** One request: a pattern to write, or zeros, or to give up. */
export type Request =
  | readonly [pattern: number, offset: number, lengthBytes: number]
  | readonly ['zero' | 'discard', offset: number, lengthBytes: number]
  | 'flush'
  | 'reopen';

export class SideBySide extends QemuDirectory {
  readonly format: string;

  constructor(format: string) {
    super(mkdtempSync(join(tmpdir(), `diskfile-${format}-`)));
    this.format = format;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  bytes(name: string): Buffer {
    return readFileSync(this.file(name));
  }

  put(name: string, bytes: Uint8Array): void {
    writeFileSync(this.file(name), bytes);
  }

  /** Makes `ours` and `theirs`. */
  create(options: Omit<CreateDiskFileOptions, 'format'> & { readonly sizeBytes: number }): void {
    const { backing, sizeBytes, options: format = {} } = options;
    createDiskFileSync(this.file('ours'), { ...options, format: this.format, overwrite: true });
    const list = Object.entries(format).map(([name, value]) => `${name}=${value}`);
    this.img(
      'create',
      '-q',
      '-f',
      this.format,
      ...(list.length === 0 ? [] : ['-o', list.join()]),
      ...(backing === undefined ? [] : ['-b', backing.name, '-F', backing.format ?? '']),
      'theirs',
      String(sizeBytes),
    );
  }

  /** Does the requests in turn to `name`, by `qemu-io`. */
  theirs(requests: readonly Request[], name = 'theirs'): void {
    let commands: string[] = [];
    const run = () => {
      if (commands.length > 0) this.io(name, commands, '-f', this.format);
      commands = [];
    };
    for (const request of requests) {
      if (request === 'reopen') run();
      else if (request === 'flush') commands.push('flush');
      else {
        const [what, offset, lengthBytes] = request;
        const how = what === 'zero' ? 'write -z' : `write -P ${what}`;
        commands.push(`${what === 'discard' ? what : how} ${offset} ${lengthBytes}`);
      }
    }
    run();
  }

  /** The same by diskfile. */
  ours(requests: readonly Request[], name = 'ours'): void {
    const open = () => openDiskFileSync(this.file(name), { format: this.format, readOnly: false });
    let disk = open();
    for (const request of requests) {
      if (request === 'reopen') {
        disk.closeSync();
        disk = open();
      } else if (request === 'flush') disk.flushSync();
      else {
        const [what, offset, lengthBytes] = request;
        if (what === 'discard') disk.discardSync(offset, lengthBytes);
        else if (what === 'zero') disk.writeZeroesSync(offset, lengthBytes, { mayUnmap: false });
        else disk.writeSync(new Uint8Array(lengthBytes).fill(what), offset);
      }
    }
    disk.closeSync();
  }

  /** Both files have the same bytes. */
  expectSameFiles(one = 'ours', other = 'theirs'): void {
    const [ours, theirs] = [this.bytes(one), this.bytes(other)];
    const length = Math.min(ours.length, theirs.length);
    let at = 0;
    while (at < length && ours[at] === theirs[at]) at += 1;
    expect({ length: ours.length, differsAt: at }).toEqual({
      length: theirs.length,
      differsAt: theirs.length,
    });
  }

  /** The disk reads the same by QEMU and by diskfile. */
  expectSameContent(name: string): void {
    this.img('convert', '-f', this.format, '-O', 'raw', name, 'content.raw');
    const disk = openDiskFileSync(this.file(name));
    expect(disk.format).toBe(this.format);
    const bytes = Buffer.alloc(disk.sizeBytes);
    disk.readSync(bytes, 0);
    disk.closeSync();
    expect(bytes.equals(this.bytes('content.raw'))).toBe(true);
  }
}
