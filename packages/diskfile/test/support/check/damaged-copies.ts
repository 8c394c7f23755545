/** Copies of an image with something wrong in it: checked and repaired by QEMU and by diskfile. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import type { QemuDirectory } from '@diskfile/testkit';
import { expect } from 'vitest';
import { checkDiskFileSync } from '../../../src/index.ts';
import { countsOf, exitCodeOf, qemuCheck } from './oracle.ts';

/** Changes the bytes of an image. @returns others where it gets another length */
export type Damage = (image: DataView<ArrayBuffer>) => Uint8Array | void;

export class DamagedCopies {
  readonly #directory: QemuDirectory;
  readonly #format: string;
  readonly #good: Uint8Array<ArrayBuffer>;

  constructor(directory: QemuDirectory, format: string, good: string) {
    this.#directory = directory;
    this.#format = format;
    this.#good = new Uint8Array(readFileSync(directory.file(good)));
  }

  /** Path of an image with that damage. */
  damaged(damage: Damage): string {
    const bytes = this.#good.slice();
    const path = this.#directory.file('damaged');
    writeFileSync(path, damage(new DataView(bytes.buffer)) ?? bytes);
    return path;
  }

  /**
   * Our check counts what QEMU's does, and leaves what QEMU's repair leaves.
   * @param isCounted false for what ours finds, and neither counts
   * @param isSameFile false where QEMU's repair leaves something that ours does not
   */
  expectAlike(damage: Damage, { isCounted = true, isSameFile = true } = {}): void {
    const path = this.damaged(damage);
    const [ours, theirs] = [this.#directory.file('ours-mended'), this.#directory.file('mended')];
    copyFileSync(path, ours);
    copyFileSync(path, theirs);
    const report = checkDiskFileSync(path, { format: this.#format });
    const verdict = qemuCheck(path, '-f', this.#format);
    expect(countsOf(report)).toEqual(verdict.counts);
    expect(exitCodeOf(report)).toBe(verdict.exitCode);
    expect(report.findings.length > 0).toBe(verdict.exitCode !== 0 || !isCounted);
    const repaired = checkDiskFileSync(ours, { format: this.#format, repair: 'all' });
    const theirRepair = qemuCheck(theirs, '-f', this.#format, '-r', 'all');
    expect(countsOf(repaired)).toEqual(theirRepair.counts);
    if (!isSameFile) {
      expect(qemuCheck(ours, '-f', this.#format).exitCode).toBe(0);
      return;
    }
    expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
    expect(qemuCheck(ours, '-f', this.#format)).toEqual(qemuCheck(theirs, '-f', this.#format));
  }

  /** Both give up. @returns the detail of our error */
  expectRefused(damage: Damage): string {
    const path = this.damaged(damage);
    expect(qemuCheck(path, '-f', this.#format).counts).toBeUndefined();
    try {
      checkDiskFileSync(path, { format: this.#format });
    } catch (error) {
      return (error as { detail: string }).detail;
    }
    return 'nothing was refused';
  }
}
