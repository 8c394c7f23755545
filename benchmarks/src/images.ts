/** The disks that are measured: content like a guest's, in each way of storing it. */
import * as crypto from 'node:crypto';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { findProgram, imageDirectory, runProgram } from './host.ts';

const MIB = 1024 * 1024;

export interface ImageSizes {
  /** Files as a guest has them: half of them documents and data, half programs. */
  readonly fileBytes: number;
  /** Bytes that no codec can shrink. */
  readonly randomBytes: number;
  /** A hole at the end. */
  readonly holeBytes: number;
  /** A disk that is full. */
  readonly fullBytes: number;
}

export const FULL_SIZES: ImageSizes = {
  fileBytes: 2048 * MIB,
  randomBytes: 512 * MIB,
  holeBytes: 1536 * MIB,
  fullBytes: 20 * 1024 * MIB,
};
export const QUICK_SIZES: ImageSizes = {
  fileBytes: 192 * MIB,
  randomBytes: 64 * MIB,
  holeBytes: 256 * MIB,
  fullBytes: 1024 * MIB,
};

/** Makes images when they are first asked for, and keeps them for later runs. */
export class Images {
  readonly qemuImg: string;
  readonly #sizes: ImageSizes;
  readonly #directory: string;

  constructor(qemuImg: string, sizes: ImageSizes) {
    this.qemuImg = qemuImg;
    this.#sizes = sizes;
    this.#directory = join(imageDirectory(), `${(sizes.fileBytes + sizes.randomBytes) / MIB}`);
    mkdirSync(this.#directory, { recursive: true });
  }

  async raw(): Promise<string> {
    return await this.#made('disk.raw', async (path) => {
      await appendTar(path, ['/usr/share'], this.#sizes.fileBytes / 2);
      await appendTar(path, ['/usr/bin', '/usr/lib'], this.#sizes.fileBytes / 2);
      const random = createReadStream('/dev/urandom', { end: this.#sizes.randomBytes - 1 });
      await pipeline(random, createWriteStream(path, { flags: 'a' }));
      truncateSync(path, this.diskBytes);
    });
  }

  get diskBytes(): number {
    const { fileBytes, randomBytes, holeBytes } = this.#sizes;
    return fileBytes + randomBytes + holeBytes;
  }

  /** Files of a guest, at the start of the disk. */
  get fileBytes(): number {
    return this.#sizes.fileBytes;
  }

  /** The disk as qcow2: stored as it is, or compressed. */
  async qcow2(kind: 'plain' | 'zlib' | 'zstd'): Promise<string> {
    const raw = await this.raw();
    const options = {
      plain: [],
      zlib: ['-c'],
      zstd: ['-c', '-o', 'compression_type=zstd'],
    }[kind];
    return await this.#made(`disk-${kind}.qcow2`, (path) => {
      runProgram(this.qemuImg, ['convert', '-O', 'qcow2', ...options, raw, path]);
    });
  }

  /** The part of the disk that holds data, as plain qcow2 with a mapping for every cluster. */
  async dense(): Promise<{ path: string; sizeBytes: number }> {
    const filename = await this.raw();
    const sizeBytes = this.diskBytes - this.#sizes.holeBytes;
    const source = JSON.stringify({
      driver: 'raw',
      size: sizeBytes,
      file: { driver: 'file', filename },
    });
    const path = await this.#made('dense.qcow2', (target) => {
      runProgram(this.qemuImg, ['convert', '-S', '0', '-O', 'qcow2', `json:${source}`, target]);
    });
    return { path, sizeBytes };
  }

  /** Files of a guest, in a disk with half as much room again. */
  async files(): Promise<string> {
    const { fileBytes } = this.#sizes;
    return await this.#made('files.raw', async (path) => {
      await appendTar(path, ['/usr/share'], fileBytes / 2);
      await appendTar(path, ['/usr/bin', '/usr/lib'], fileBytes / 2);
      truncateSync(path, fileBytes * 1.5);
    });
  }

  async random(): Promise<string> {
    return await this.#made('random.raw', async (path) => {
      const random = createReadStream('/dev/urandom', { end: this.#sizes.randomBytes * 2 - 1 });
      await pipeline(random, createWriteStream(path));
    });
  }

  /** All clusters are mapped and counted; what they hold is a hole. */
  async manyClusters(): Promise<{ path: string; clusters: number }> {
    const clusters = 2 ** 22;
    const path = await this.#made('tables.qcow2', (target) => {
      const options = ['-o', 'preallocation=metadata,cluster_size=4k'];
      const size = String(clusters * 4096);
      runProgram(this.qemuImg, ['create', '-q', '-f', 'qcow2', ...options, target, size]);
    });
    return { path, clusters };
  }

  /** Data all over a disk of 1 TiB: 64 KiB in every 256 MiB. */
  async sparse1TiB(): Promise<string> {
    return await this.#made('sparse.raw', (path) => {
      const stepBytes = 256 * MIB;
      writeBlocks(path, 2 ** 40 / stepBytes, stepBytes, crypto.randomBytes(64 * 1024));
    });
  }

  /** A disk without a hole or a zero; a codec makes little of it. */
  async full(): Promise<{ path: string; sizeBytes: number }> {
    const sizeBytes = this.#sizes.fullBytes;
    const path = await this.#made('full.raw', (target) => {
      const block = Buffer.alloc(MIB, crypto.randomBytes(1024));
      writeBlocks(target, sizeBytes / MIB, MIB, block);
    });
    return { path, sizeBytes };
  }

  /** Nothing at all, but much of it. */
  async empty16TiB(): Promise<string> {
    return await this.#made('empty.qcow2', (path) => {
      runProgram(this.qemuImg, ['create', '-q', '-f', 'qcow2', path, '16T']);
    });
  }

  /** An ext4 filesystem with one large file, compressed; undefined without mke2fs. */
  async largeFile(): Promise<{ image: string; guestPath: string } | undefined> {
    const mke2fs = findProgram('mke2fs');
    if (mke2fs === undefined) return undefined;
    const image = await this.#made('large-file.qcow2', async (path) => {
      const tree = `${path}.tree`;
      mkdirSync(tree);
      await appendTar(join(tree, 'large'), ['/usr/bin', '/usr/lib'], this.#sizes.fileBytes / 4);
      const sizeKib = Math.ceil((this.#sizes.fileBytes * 0.35) / 1024);
      runProgram(mke2fs, ['-q', '-t', 'ext4', '-d', tree, `${path}.raw`, `${sizeKib}k`]);
      runProgram(this.qemuImg, ['convert', '-c', '-O', 'qcow2', `${path}.raw`, path]);
      rmSync(`${path}.raw`);
      rmSync(tree, { recursive: true });
    });
    return { image, guestPath: '/large' };
  }

  /** An interrupted run leaves no half-made image under the final name. */
  async #made(name: string, make: (path: string) => Promise<void> | void): Promise<string> {
    const path = join(this.#directory, name);
    if (existsSync(path)) return path;
    process.stderr.write(`making ${path}\n`);
    const unfinished = `${path}.unfinished`;
    for (const leftover of [unfinished, `${unfinished}.raw`, `${unfinished}.tree`]) {
      rmSync(leftover, { recursive: true, force: true });
    }
    await make(unfinished);
    renameSync(unfinished, path);
    return path;
  }
}

/** Writes the same block at every multiple of `stepBytes`. */
function writeBlocks(path: string, count: number, stepBytes: number, block: Uint8Array): void {
  const fd = openSync(path, 'w');
  try {
    ftruncateSync(fd, count * stepBytes);
    for (let index = 0; index < count; index++) {
      writeSync(fd, block, 0, block.length, index * stepBytes);
    }
  } finally {
    closeSync(fd);
  }
}

/** Appends `lengthBytes` of an archive of some directories, over and over where they hold less. */
async function appendTar(
  path: string,
  directories: readonly string[],
  lengthBytes: number,
): Promise<void> {
  for (let done = 0; done < lengthBytes;) {
    const added = await appendOneTar(path, directories, lengthBytes - done);
    if (added === 0) throw new Error(`There is nothing in ${directories.join(', ')}`);
    done += added;
  }
}

/** Appends an archive, at most `lengthBytes` of it; returns how much that was. */
async function appendOneTar(
  path: string,
  directories: readonly string[],
  lengthBytes: number,
): Promise<number> {
  const tar = spawn('tar', ['cf', '-', ...directories], { stdio: ['ignore', 'pipe', 'ignore'] });
  let added = 0;
  await pipeline(
    tar.stdout,
    async function* firstBytes(source: AsyncIterable<Buffer>) {
      for await (const bytes of source) {
        const wanted = bytes.subarray(0, lengthBytes - added);
        added += wanted.length;
        yield wanted;
        if (added === lengthBytes) return;
      }
    },
    createWriteStream(path, { flags: 'a' }),
  );
  tar.kill();
  return added;
}
