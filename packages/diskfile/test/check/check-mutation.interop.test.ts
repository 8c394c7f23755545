/**
 * Random damage: our check counts what `qemu-img check` counts. A repair leaves an image that it
 * finds in order, or says what is left, and undamaged content is as it was.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haveTools, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkDiskFileSync, DiskError, openDiskFileSync } from '../../src/index.ts';
import { ImageEditor } from '../support/check/image-editor.ts';
import { mutate } from '../support/check/mutations.ts';
import { countsOf, exitCodeOf, qemuCheck } from '../support/check/oracle.ts';
import { RECIPES, type RecipeName } from '../support/check/recipes.ts';

const haveQemu = haveTools('qemu-img', 'qemu-io');
const RUNS_PER_IMAGE = Number(process.env['MUTATION_RUNS'] ?? 8);
const FIRST_SEED = Number(process.env['MUTATION_SEED'] ?? 1);

/** The content of each guest cluster that can be read. */
function readClusters(path: string, clusterBytes: number): Map<number, Buffer> {
  const clusters = new Map<number, Buffer>();
  try {
    using disk = openDiskFileSync(path, { format: 'qcow2' });
    for (let offset = 0; offset < disk.sizeBytes; offset += clusterBytes) {
      const found = Buffer.alloc(Math.min(clusterBytes, disk.sizeBytes - offset));
      try {
        disk.readSync(found, offset);
        clusters.set(offset, found);
      } catch (error) {
        expect(error).toBeInstanceOf(DiskError);
      }
    }
  } catch (error) {
    expect(error).toBeInstanceOf(DiskError);
  }
  return clusters;
}

describe.skipIf(!haveQemu)('randomly damaged images', () => {
  const directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-check-')));
  const contents = new Map<string, Map<number, Buffer>>();
  const statistics = { images: 0, damaged: 0, refusedByQemu: 0, cleanAfterRepair: 0 };

  beforeAll(() => {
    for (const [name, make] of Object.entries(RECIPES)) {
      make(directory, name);
      const { clusterBytes } = new ImageEditor(readFileSync(directory.file(name)));
      contents.set(name, readClusters(directory.file(name), clusterBytes));
    }
  });
  afterAll(() => {
    process.stderr.write(`random damage from seed ${FIRST_SEED}: ${JSON.stringify(statistics)}\n`);
    rmSync(directory.path, { recursive: true, force: true });
  });

  function tryOne(recipe: RecipeName, seed: number): void {
    const image = new ImageEditor(new Uint8Array(readFileSync(directory.file(recipe))));
    const done = `${recipe}, seed ${seed}: ${mutate(image, new SeededRandom(seed))}`;
    const [path, repaired] = [directory.file('damaged'), directory.file('repaired')] as const;
    for (const each of [path, repaired]) writeFileSync(each, image.bytes);
    const report = checkDiskFileSync(path);
    const verdict = qemuCheck(path);
    statistics.images += 1;
    if (exitCodeOf(report) !== 0) statistics.damaged += 1;
    if (verdict.counts === undefined) {
      statistics.refusedByQemu += 1;
      expect(verdict.exitCode, done).toBe(1);
    } else {
      expect(countsOf(report), done).toEqual(verdict.counts);
      expect(exitCodeOf(report), done).toBe(verdict.exitCode);
    }

    const before = readClusters(path, image.clusterBytes);
    const left = checkDiskFileSync(repaired, { repair: 'all' });
    const after = qemuCheck(repaired);
    if (after.counts !== undefined) expect(countsOf(left), done).toEqual(after.counts);
    if (exitCodeOf(left) === 0) {
      statistics.cleanAfterRepair += 1;
      expect(after.exitCode, done).toBe(0);
    } else expect(left.findings.some((finding) => !finding.repaired)).toBe(true);
    if (exitCodeOf(left) === 3) {
      // Kept, in case they are what lost tables stood for; the next repair lets go of them.
      expect(left.warnings.map(({ detail }) => detail)).toContain('qcow2.check.leaks-kept');
      checkDiskFileSync(repaired, { repair: 'leaks' });
      expect(qemuCheck(repaired).exitCode, done).toBe(0);
    }
    const now = readClusters(repaired, image.clusterBytes);
    for (const [offset, content] of contents.get(recipe)!) {
      const wasGood = before.get(offset)?.equals(content) === true;
      if (wasGood) expect(now.get(offset)?.equals(content), `${done} at ${offset}`).toBe(true);
    }
  }

  it.each(Object.keys(RECIPES) as RecipeName[])('%s', (recipe) => {
    for (let run = 0; run < RUNS_PER_IMAGE; run++) tryOne(recipe, FIRST_SEED + run);
  });
});
