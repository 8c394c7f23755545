/** A short run of every target: mutated images are read or refused, and nothing else happens. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fuzzLoop } from '../src/fuzz/fuzz-loop.ts';
import { runInput } from '../src/fuzz/run-input.ts';
import { loadTarget, TARGET_NAMES } from '../src/fuzz/targets/index.ts';

const SEED = 20_261_121;
/** About two seconds each. */
const INPUTS: Record<string, number> = {
  reference: 3000,
  mbr: 2000,
  gpt: 1500,
  deflate: 500,
  zstd: 400,
  adc: 800,
  bzip2: 150,
  lzfse: 500,
  xz: 400,
  raw: 200,
  qcow: 120,
  qcow2: 250,
  qed: 60,
  parallels: 60,
  bundle: 150,
  vhd: 120,
  vhdx: 20,
  vdi: 120,
  vmdk: 60,
  write: 120,
  check: 200,
  repair: 150,
  ewf: 150,
  packed: 60,
  ova: 60,
  asif: 100,
  sparseimage: 100,
  bochs: 100,
  cloop: 60,
  dmg: 60,
  ext4: 150,
  luks: 60,
  open: 60,
};

/** Here calls from module to module take several times as long, and other tests run beside it. */
const MAX_CPU_MS = 15_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'diskfile-fuzz-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Half of a cloop seed is its table, all of which has to be in order for the image to open. */
const REFUSED_SHARE: Readonly<Record<string, number>> = { cloop: 0.7 };

describe.each(TARGET_NAMES)('%s', (name) => {
  it('reads its seeds', async () => {
    const target = await loadTarget(name);
    const seeds = target.seeds();
    expect(seeds.length).toBeGreaterThan(0);
    const choices = Array.from({ length: 12 }, (_, index) => index / 12);
    for (const { name: seedName, bytes } of seeds) {
      const outcome = await runInput(target, bytes, choices, MAX_CPU_MS);
      const sound = { refused: false, failure: undefined };
      expect({ seedName, ...outcome }).toEqual({ seedName, ...sound });
    }
  });

  it('withstands mutants', async () => {
    const target = await loadTarget(name);
    const reports: string[] = [];
    const totals = await fuzzLoop(target, {
      seed: SEED,
      firstIndex: 0,
      folder,
      report: (line) => reports.push(line),
      maxCpuMs: MAX_CPU_MS,
      goOn: (index) => index < INPUTS[name]!,
    });
    expect(reports).toEqual([]);
    expect(totals.inputs).toBe(INPUTS[name]);
    // Most mutants get past opening, or little is tested.
    expect(totals.refused).toBeLessThan(totals.inputs * (REFUSED_SHARE[name] ?? 0.5));
  });
});
