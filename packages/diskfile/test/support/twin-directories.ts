/** The same images twice: one set for the genuine tools, one for ours, to see if both end alike. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
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

export class TwinDirectories implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'diskfile-chain-'));
  readonly theirs: QemuDirectory;
  readonly ours: QemuDirectory;

  /** @param make fills a directory with images */
  constructor(make: (directory: QemuDirectory) => void) {
    const [theirs, ours] = [join(this.#root, 'theirs'), join(this.#root, 'ours')];
    mkdirSync(theirs);
    this.theirs = new QemuDirectory(theirs);
    make(this.theirs);
    cpSync(theirs, ours, { recursive: true });
    this.ours = new QemuDirectory(ours);
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
