/**
 * Scripted damage, each kind done to several images: our check counts what `qemu-img check` counts,
 * what we have repaired it finds in order, and what was not damaged reads as before.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, QemuDirectory } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkDiskFileSync,
  DiskError,
  type DiskFileCheckReport,
  openDiskFileSync,
} from '../../src/index.ts';
import { DAMAGES, type Damage } from '../support/check/damages.ts';
import { ImageEditor } from '../support/check/image-editor.ts';
import { countsOf, exitCodeOf, parseCounts, qemuCheck } from '../support/check/oracle.ts';
import { RECIPES, type RecipeName } from '../support/check/recipes.ts';

const haveQemu = haveTools('qemu-img', 'qemu-io');
/** Each kind of damage is done to so many images; to all of its recipes with DAMAGE_RUNS=99. */
const IMAGES_PER_DAMAGE = Number(process.env['DAMAGE_RUNS'] ?? 2);
const CASES = DAMAGES.flatMap((damage, index) =>
  damage.recipes
    .map((_, at, recipes) => recipes[(index + at) % recipes.length]!)
    .slice(0, IMAGES_PER_DAMAGE)
    .map((recipe): [string, Damage, RecipeName] => [`${damage.name}: ${recipe}`, damage, recipe]),
);

describe.skipIf(!haveQemu)('damaged images', () => {
  const directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-check-')));
  const contents = new Map<RecipeName, Uint8Array>();

  beforeAll(() => {
    for (const [name, make] of Object.entries(RECIPES)) {
      make(directory, name);
      directory.img('convert', '-O', 'raw', name, 'raw');
      contents.set(name as RecipeName, readFileSync(directory.file('raw')));
    }
  });
  afterAll(() => rmSync(directory.path, { recursive: true, force: true }));

  /** Copies of the damaged image, of which the first stays as it is. */
  function damaged({ apply }: Damage, recipe: RecipeName) {
    const image = new ImageEditor(new Uint8Array(readFileSync(directory.file(recipe))));
    apply(image);
    const paths = ['damaged', 'ours', 'leaks', 'theirs'].map((name) => directory.file(name));
    for (const path of paths) writeFileSync(path, image.bytes);
    const [path, ours, leaks, theirs] = paths as [string, string, string, string];
    return { path, ours, leaks, theirs, clusterBytes: image.clusterBytes };
  }

  /** Guest clusters that are not as they were before the damage; an error counts as that. */
  function changedClusters(path: string, recipe: RecipeName, clusterBytes: number): number[] {
    const content = contents.get(recipe)!;
    const changed: number[] = [];
    using disk = openDiskFileSync(path, { format: 'qcow2' });
    for (let offset = 0; offset < content.length; offset += clusterBytes) {
      const expected = content.subarray(offset, offset + clusterBytes);
      const found = new Uint8Array(expected.length);
      try {
        disk.readSync(found, offset);
      } catch (error) {
        expect(error).toBeInstanceOf(DiskError);
        changed.push(offset / clusterBytes);
        continue;
      }
      if (Buffer.compare(found, expected) !== 0) changed.push(offset / clusterBytes);
    }
    return changed;
  }

  it('counts the header of an encrypted image', () => {
    const secret = ['--object', 'secret,id=key,data=x'];
    const options = 'encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10';
    const create = ['create', '-q', ...secret, '-f', 'qcow2', '-o', options, 'encrypted', '1M'];
    // Making the key fails now and then when the machine is busy.
    expect([0, 1, 2, 3].some(() => directory.succeeds(...create))).toBe(true);
    const image = 'driver=qcow2,file.filename=encrypted,encrypt.key-secret=key';
    const output = directory.img('check', '--output=json', ...secret, '--image-opts', image);
    const report = checkDiskFileSync(directory.file('encrypted'));
    expect(countsOf(report)).toEqual(parseCounts(output));
    expect(exitCodeOf(report)).toBe(0);
  });

  it.each(CASES)('%s', (_, damage, recipe) => {
    const { path, ours, leaks, theirs, clusterBytes } = damaged(damage, recipe);
    const report = checkDiskFileSync(path);
    const verdict = qemuCheck(path);
    if (damage.qemuRefuses === undefined) {
      expect(countsOf(report)).toEqual(verdict.counts);
      expect(exitCodeOf(report)).toBe(verdict.exitCode);
    } else {
      expect(verdict.counts).toBeUndefined();
      expect(exitCodeOf(report)).not.toBe(0);
    }
    expect(report.findings.length > 0).toBe(exitCodeOf(report) > 0);

    const before = changedBefore(path, recipe, clusterBytes);
    const theirVerdict = repairedByQemu(theirs);
    const repaired = checkDiskFileSync(ours, { repair: 'all' });
    const after = qemuCheck(ours);
    const isCountedAlike = damage.qemuRefuses === undefined && damage.countedApart === undefined;
    if (isCountedAlike) expect(after.counts).toEqual(countsOf(repaired));
    if (damage.left === undefined) expectClean(ours, repaired);
    else {
      expect(theirVerdict).not.toBe(0);
      expect(repaired.findings.some((finding) => !finding.repaired)).toBe(true);
    }
    const isOpened = before !== undefined || exitCodeOf(repaired) === 0;
    if (isOpened && damage.notOpened === undefined) {
      const changed = changedClusters(ours, recipe, clusterBytes);
      expect(changed.filter((index) => before?.has(index) !== true)).toEqual([]);
    }

    const leaksRepaired = checkDiskFileSync(leaks, { repair: 'leaks' });
    expect(leaksRepaired.corruptions).toBeLessThanOrEqual(report.corruptions);
    const isOnlyLeaking = report.leaks > 0 && report.corruptions + report.checkErrors === 0;
    if (isOnlyLeaking && !hasKeptLeaks(leaksRepaired)) expect(qemuCheck(leaks).exitCode).toBe(0);
    if (before === undefined) return;
    const changed = changedClusters(leaks, recipe, clusterBytes);
    expect(changed.filter((index) => !before.has(index))).toEqual([]);
  });

  /**
   * Where tables are lost we keep what seems unused, because it may be what they stood for; QEMU
   * lets go of it. The next repair, of leaks, ends that.
   */
  function expectClean(path: string, report: DiskFileCheckReport): void {
    if (hasKeptLeaks(report)) {
      expect(qemuCheck(path).exitCode).toBe(3);
      checkDiskFileSync(path, { repair: 'leaks' });
    }
    const { exitCode, stderr } = qemuCheck(path);
    expect(exitCode, stderr).toBe(0);
  }

  function hasKeptLeaks({ warnings }: DiskFileCheckReport): boolean {
    return warnings.some(({ detail }) => detail === 'qcow2.check.leaks-kept');
  }

  /** Undefined when the image cannot even be opened. */
  function changedBefore(path: string, recipe: RecipeName, clusterBytes: number) {
    try {
      return new Set(changedClusters(path, recipe, clusterBytes));
    } catch (error) {
      expect(error).toBeInstanceOf(DiskError);
      return undefined;
    }
  }

  function repairedByQemu(path: string): number {
    qemuCheck(path, '-r', 'all');
    return qemuCheck(path).exitCode;
  }
});
