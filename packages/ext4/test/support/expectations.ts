/** What an opened volume has to say of itself, by the facts of an image. */
import type { Volume } from '@diskfile/core';
import { expect } from 'vitest';
import type { ImageFacts } from './manifest.ts';

export function expectVolumeFacts(volume: Volume, facts: ImageFacts): void {
  expect(volume.label).toBe(facts.label);
  expect(volume.uuid).toBe(facts.uuid);
  expect(volume.sizeBytes).toBe(facts.block_size * facts.block_count);
  const details = volume.details();
  expect(details['features']).toEqual(facts.features);
  const journal = details['journal'] as Record<string, unknown>;
  if (facts.dirty) {
    expect(journal).toMatchObject({ state: 'replayed' });
    const written = facts.journal?.['transactions'];
    // The facts count a last transaction whose commit block is damaged as well.
    const damaged = journal['stoppedBecause'] === undefined ? 0 : 1;
    if (written !== undefined) expect(journal['transactions']).toBe(Number(written) - damaged);
  } else {
    expect(journal['transactions']).toBeUndefined();
  }
  expectUsage(volume, facts);
}

/** Free counts after fast commits are those of the last full one, so only the totals must fit. */
function expectUsage(volume: Volume, { statfs, journal }: ImageFacts): void {
  if (statfs === undefined) return;
  const usage = volume.usage();
  const totals = {
    blockBytes: statfs.block_size,
    totalBlocks: statfs.blocks,
    totalInodes: statfs.inodes,
    maxNameBytes: statfs.name_length,
  };
  const free = {
    freeBlocks: statfs.free_blocks,
    availableBlocks: statfs.available_blocks,
    freeInodes: statfs.free_inodes,
  };
  expect(usage).toMatchObject(totals);
  if (journal?.['fast_commit_tags'] === undefined) expect(usage).toMatchObject(free);
}
