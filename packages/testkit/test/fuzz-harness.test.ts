/** The fuzzer itself: repeatable inputs, and no failure that goes unnoticed. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskError, readU32be } from '@diskfile/bytes';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exerciseDecoders, loadDecoders } from '../src/fuzz/exercise/decoders.ts';
import { loadFailure } from '../src/fuzz/failure-store.ts';
import { bytesOf, FuzzInputs } from '../src/fuzz/fuzz-input.ts';
import { fuzzLoop } from '../src/fuzz/fuzz-loop.ts';
import type { FuzzTarget } from '../src/fuzz/fuzz-target.ts';
import { runInput } from '../src/fuzz/run-input.ts';
import { headerFields, plainSeed } from '../src/fuzz/seed-image.ts';
import { ext4Seeds } from '../src/fuzz/seeds/ext4.ts';
import { journalBlocks } from '../src/fuzz/seeds/ext4-checksums.ts';
import {
  descriptorOffset,
  ext4Layout,
  inodeTableOffset,
  SUPERBLOCK,
} from '../src/fuzz/seeds/ext4-layout.ts';
import { JOURNAL_MAGIC } from '../src/fuzz/seeds/journal-checksums.ts';
import { gptSeeds } from '../src/fuzz/seeds/partition-tables.ts';
import { superviseFuzzing } from '../src/fuzz/supervisor.ts';
import { loadTarget } from '../src/fuzz/targets/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diskfile-fuzz-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function targetOf(run: FuzzTarget['run']): FuzzTarget {
  const fields = headerFields(0, true, [
    ['length', 0, 4],
    ['flags', 4, 2],
  ]);
  const seed = { ...plainSeed('zeros', new Uint8Array(64)), fields };
  return { name: 'fake', seeds: () => [seed], run };
}

async function fuzz(target: FuzzTarget, inputs: number, seed = 1) {
  const reports: string[] = [];
  const report = (line: string) => reports.push(line);
  const goOn = (index: number) => index < inputs;
  const totals = await fuzzLoop(target, { seed, firstIndex: 0, folder, report, goOn });
  return { totals, reports };
}

describe('inputs', () => {
  const target = targetOf(async () => {});

  it('depend on seed and index alone', () => {
    const again = new FuzzInputs(target, 7);
    again.at(3);
    expect(again.at(5)).toEqual(new FuzzInputs(target, 7).at(5));
  });

  it('differ between indexes and seeds', () => {
    const inputs = [1, 2].flatMap((seed) => {
      const made = new FuzzInputs(target, seed);
      return [0, 1, 2, 3].map((index) => JSON.stringify(made.at(index).mutations));
    });
    expect(new Set(inputs).size).toBe(inputs.length);
  });

  it('change the named fields', () => {
    const inputs = new FuzzInputs(target, 1);
    const names = Array.from({ length: 60 }, (_, index) => inputs.at(index))
      .flatMap(({ mutations }) => mutations)
      .map((mutation) => (mutation.kind === 'write' ? mutation.what : mutation.kind));
    expect(names).toEqual(
      expect.arrayContaining(['length', 'flags', 'bytes', 'flip', 'fill', 'copy', 'resize']),
    );
  });
});

describe('failures', () => {
  it('are what is thrown and no DiskError: saved, without idle mutations, and replayable', async () => {
    const target = targetOf(async (bytes) => {
      if (bytes[0] !== 0) throw new TypeError('first byte');
    });
    const { totals, reports } = await fuzz(target, 60);
    expect(totals.failures).toBeGreaterThan(0);
    expect(totals.failures).toBeLessThan(totals.inputs);
    expect(reports[0]).toMatch(/^fake #\d+: thrown: TypeError: first byte \(.*\.bin\)$/);
    for (const name of readdirSync(join(folder, 'fake'))) {
      const saved = loadFailure(join(folder, 'fake', name));
      expect(saved.target).toBe('fake');
      expect(await runInput(target, saved.bytes, saved.choices)).toMatchObject({
        failure: { kind: 'thrown', message: 'TypeError: first byte' },
      });
    }
  });

  it('are not refusals', async () => {
    const target = targetOf(async () => {
      throw new DiskError('corrupt', 'test.refused', 'refused');
    });
    expect((await fuzz(target, 10)).totals).toEqual({ inputs: 10, refused: 10, failures: 0 });
    expect(existsSync(join(folder, 'fake'))).toBe(false);
  });

  it('are rejections that nobody awaits', async () => {
    const target = targetOf(async () => {
      void Promise.reject(new TypeError('stray'));
    });
    const { totals, reports } = await fuzz(target, 2);
    expect(totals.failures).toBe(2);
    expect(reports[0]).toContain('stray');
  });

  it('are large allocations', async () => {
    const kept: Uint8Array[] = [];
    const target = targetOf(async () => {
      kept.push(new Uint8Array(300 * 1024 * 1024));
    });
    const { failure } = await runInput(target, new Uint8Array(0), []);
    expect(failure?.kind).toBe('memory');
    expect(kept.length).toBe(1);
  });

  it('are hangs and deaths of the process, which goes on after them', async () => {
    const totals = await superviseFuzzing({
      target: 'reference',
      seed: 4,
      milliseconds: 60_000,
      maxInputs: 100,
      folder,
      script: join(import.meta.dirname, 'support/misbehaving-process.mjs'),
      hangMs: 1000,
    });
    expect(totals).toEqual({ inputs: 9, refused: 0, failures: 2 });
    const saved = readdirSync(join(folder, 'reference')).filter((name) => name.endsWith('.bin'));
    const inputs = new FuzzInputs(await loadTarget('reference'), 4);
    const expected = [3, 5].map((index) => Buffer.from(bytesOf(inputs.at(index))).toString('hex'));
    const bytes = saved.map((name) =>
      Buffer.from(loadFailure(join(folder, 'reference', name)).bytes).toString('hex'),
    );
    expect(bytes.toSorted()).toEqual(expected.toSorted());
  });
});

describe('decoders', () => {
  it.each(['deflate', 'zstd'])('of %s all agree on sound streams', async (name) => {
    const id = name === 'deflate' ? 'deflate-raw' : name;
    const decoders = await loadDecoders(id);
    const seeds = (await loadTarget(name)).seeds();
    expect(seeds.length).toBeGreaterThan(4);
    for (const { bytes } of seeds) {
      await exerciseDecoders(decoders, bytes, 16_384);
      const dst = new Uint8Array(16_384);
      decoders[0]!.decodeSync(bytes, dst);
    }
  });
});

describe('mending checksums', () => {
  it('of version 1 in a journal makes a commit block right again', () => {
    const { bytes, repair } = ext4Seeds().find(({ name }) => name === 'dirty-csum-v1')!;
    const commits = journalBlocks(bytes, ext4Layout(bytes)!).filter(
      (block) => readU32be(block, 0) === JOURNAL_MAGIC && readU32be(block, 4) === 2,
    );
    const place = commits.at(-1)!.byteOffset - bytes.byteOffset + 0x10;
    const damaged = bytes.slice();
    damaged[place]! ^= 0xff;
    repair!(damaged);
    expect(Buffer.compare(damaged, bytes)).toBe(0);
  });

  it.each([...ext4Seeds(), ...gptSeeds()])('leaves the sound image $name as it is', (seed) => {
    const bytes = seed.bytes.slice();
    seed.repair!(bytes);
    expect(Buffer.compare(bytes, seed.bytes)).toBe(0);
  });

  it.each(ext4Seeds().filter(({ name }) => ['ext4', 'dirty', 'fast-commit'].includes(name)))(
    'makes those of $name right again, wherever they are',
    ({ bytes, unitBytes, repair }) => {
      const layout = ext4Layout(bytes)!;
      const table = inodeTableOffset(bytes, layout, 0)!;
      const journal = bytes.findIndex(
        (_, at) => at % unitBytes === 0 && readU32be(bytes, at) === JOURNAL_MAGIC,
      );
      const places = [
        SUPERBLOCK + 1020,
        descriptorOffset(layout, 0) + 0x1e,
        table + layout.inodeBytes + 0x7c,
        journal + 0xfc,
      ];
      const damaged = bytes.slice();
      for (const place of places) damaged[place]! ^= 0xff;
      repair!(damaged);
      expect(places.map((place) => damaged[place])).toEqual(places.map((place) => bytes[place]));
      expect(Buffer.compare(damaged, bytes)).toBe(0);
    },
  );
});
