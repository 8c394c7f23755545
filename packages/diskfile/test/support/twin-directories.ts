/** The same images twice: one set for the genuine tools, one for ours, to see if both end alike. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QemuDirectory } from '@diskfile/testkit';
import { expect } from 'vitest';

/** What `qemu-img info` tells that both have to agree on. */
export interface InfoFacts {
  readonly virtualSize: number;
  readonly backing: string | undefined;
  readonly backingFormat: string | undefined;
  readonly format: Record<string, unknown>;
  readonly snapshots: unknown;
}

/** Images that many tests start from, made when the first of them asks. */
export class ImageTemplate {
  readonly #make: (directory: QemuDirectory) => void;
  #path: string | undefined;

  constructor(make: (directory: QemuDirectory) => void) {
    this.#make = make;
  }

  twins(): TwinDirectories {
    if (this.#path === undefined) {
      this.#path = mkdtempSync(join(tmpdir(), 'diskfile-chain-'));
      this.#make(new QemuDirectory(this.#path));
    }
    return new TwinDirectories(this.#path);
  }

  remove(): void {
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
  }
}

export class TwinDirectories implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'diskfile-chain-'));
  readonly theirs: QemuDirectory;
  readonly ours: QemuDirectory;

  /** @param template a directory with images, which stays as it is */
  constructor(template: string) {
    const [theirs, ours] = ['theirs', 'ours'].map((name) => {
      const path = join(this.#root, name);
      cpSync(template, path, { recursive: true });
      return new QemuDirectory(path);
    });
    this.theirs = theirs!;
    this.ours = ours!;
  }

  /** A flat copy of what an image reads as now, beyond the reach of what is done to it. */
  snapshotOf(name: string): string {
    const copy = join(this.#root, `${name}.raw`);
    this.theirs.img('convert', '-O', 'raw', name, copy);
    return copy;
  }

  /** Both images are in order, tell the same of themselves, and read alike. */
  expectAlike(name: string): void {
    if (infoFacts(this.ours, name).format['compat'] !== undefined) {
      this.ours.img('check', '-q', name);
    }
    expect(infoFacts(this.ours, name)).toEqual(infoFacts(this.theirs, name));
    this.theirs.img('compare', '-q', name, this.ours.file(name));
  }

  /** Internal snapshots read alike. */
  expectSnapshotAlike(name: string, snapshot: string): void {
    const theirs = this.#copySnapshot(this.theirs, name, snapshot, 'theirs');
    this.expectSnapshot(name, snapshot, theirs);
  }

  /** A flat copy of what an internal snapshot holds now. */
  contentOfSnapshot(name: string, snapshot: string): string {
    return this.#copySnapshot(this.ours, name, snapshot, 'before');
  }

  expectSnapshot(name: string, snapshot: string, expected: string): void {
    const ours = this.#copySnapshot(this.ours, name, snapshot, 'ours');
    this.ours.img('compare', '-q', '-f', 'raw', '-F', 'raw', ours, expected);
  }

  #copySnapshot(directory: QemuDirectory, name: string, snapshot: string, as: string): string {
    const copy = join(this.#root, `${name}.${snapshot}.${as}`);
    directory.img('convert', '-l', snapshot, '-O', 'raw', name, copy);
    return copy;
  }

  /** The image reads as before, whatever its size is told to be. */
  expectContent(name: string, expected: string): void {
    this.ours.img('compare', '-q', '-F', 'raw', name, expected);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

export function infoFacts(directory: QemuDirectory, name: string): InfoFacts {
  const info = JSON.parse(directory.img('info', '--output=json', name)) as {
    'virtual-size': number;
    'backing-filename'?: string;
    'backing-filename-format'?: string;
    'format-specific'?: { data: Record<string, unknown> };
    snapshots?: Record<string, unknown>[];
  };
  return {
    virtualSize: info['virtual-size'],
    backing: info['backing-filename'],
    backingFormat: info['backing-filename-format'],
    format: info['format-specific']?.data ?? {},
    snapshots: info.snapshots,
  };
}

/** Ranges that the image itself holds, in whatever form. */
export function ownRanges(directory: QemuDirectory, name: string): [number, number][] {
  const ranges: [start: number, end: number][] = [];
  for (const { start, length, depth, present } of directory.map(name)) {
    if (depth !== 0 || !present) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === start) last[1] += length;
    else ranges.push([start, start + length]);
  }
  return ranges;
}
