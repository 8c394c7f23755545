/** Workloads on small qcow2 images, so that all they leave behind can be looked at. */
import type { FormatOptions } from '@diskfile/core';
import fc from 'fast-check';
import { noise } from '../model/noise.ts';
import type { Operation } from '../model/operation.ts';
import { operations as anyOperation } from '../model/operations/index.ts';
import { FormatSubject } from '../subject/format-subject.ts';
import { verifyQcow2 } from '../verify/verify-qcow2.ts';
import { batch, script } from './script.ts';
import type { Workload } from './workload.ts';

const SECTOR = 512;
const CACHE_BYTES = 32 * 1024;
const RANDOM_STEPS = 24;

interface Given {
  readonly options?: FormatOptions;
  readonly sectors?: number;
  /** Sectors of a backing image. */
  readonly backing?: number;
  readonly maxSnapshots?: number;
  readonly mayCreateBitmaps?: boolean;
  /** Script of what is done before anything goes wrong. */
  readonly prepared?: string;
}

function workload(
  name: string,
  { options = {}, sectors = 48, backing, prepared = '', ...given }: Given,
  operations: readonly Operation[],
): Workload {
  const subject = new FormatSubject({
    name,
    format: 'qcow2',
    sizeBytes: sectors * SECTOR,
    clusterBytes: Number(options['cluster_size'] ?? SECTOR),
    options: { cluster_size: SECTOR, ...options },
    ...(backing === undefined ? {} : { backing: noise(5, backing * SECTOR) }),
    limits: { metadataCacheBytes: CACHE_BYTES },
    verify: (files) => verifyQcow2(files.bytes()),
    ...given,
  });
  return { name, subject, preparation: script(prepared), operations };
}

const WAYS: readonly Workload[] = [
  workload('new clusters', {}, script('write 0 2; write 7 3; flush; write 20 4; flush')),
  workload(
    'in place',
    { prepared: 'write 0 48' },
    script(`
      write 3 4; write-bytes 100 2000; flush; write 4 1; write 40 8; flush; write 40 2`),
  ),
  workload(
    'new L2 tables',
    { sectors: 400 },
    script(`
      write 0 1; write 64 1; write 130 2; flush;
      write 200 1; write 65 1; flush; write 300 60; flush`),
  ),
  workload(
    'new refcount blocks',
    { options: { refcount_bits: 64 }, sectors: 150, prepared: 'write 0 40' },
    script('write 40 10; flush; write 60 50; write 110 30; flush; write 149 1'),
  ),
  workload(
    'a refcount table that moves',
    // It has room for 4,096 clusters; nearly all of them are counted when recording begins.
    { options: { refcount_bits: 64 }, sectors: 4200, prepared: fillUpTo(3900) },
    script('write 3900 40; flush; write 3940 60; flush; write 4000 2; flush'),
  ),
  workload(
    'zeros',
    { prepared: 'write 0 48' },
    script(`
      zero 2 4; zero-keep 8 4; flush; write 3 1; write 9 1; flush; zero 0 20; write 5 2; flush`),
  ),
  workload(
    'discarded and used again',
    { prepared: 'write 0 48' },
    script(`
      discard 0 20; flush; write 0 4; write 40 8; flush; discard 2 40; write 10 12; flush; flush;
      write 30 6; flush`),
  ),
  workload(
    'discarded and used again before a flush',
    { prepared: 'write 0 48' },
    script(`
      discard 0 20; write 0 4; discard 30 10; write 33 6; write 10 3; flush; discard 2 40;
      write 10 12; discard 12 6; write 2 4; flush; write 30 6; discard 30 3; write 20 9; flush`),
  ),
  workload('batches', { prepared: 'write 0 10' }, [
    batch('write 2 4; zero 3 2; write 20 6; flush; write 21 2'),
    batch('write 21 1; discard 2 3; write 30 2'),
    ...script('flush; write 2 4'),
  ]),
  workload(
    'several handles',
    {},
    script('clone; write 1 3; write 2 3 1; flush; write 9 2 1; flush 1; write 9 4'),
  ),
  workload(
    'closed and opened',
    {},
    script('write 0 20; reopen; discard 10 10; reopen; write 12 2; reopen'),
  ),
];

const VARIED = script(`
  write 3 5; write-bytes 700 3000; flush; write 4 2; write 30 6; zero 3 2; flush;
  discard 31 4; write-bytes 15500 900; flush; write 20 5; zero-keep 21 2; flush; write 31 3`);
const EXTENDED: FormatOptions = { cluster_size: 32 * SECTOR, extended_l2: true };

const KINDS: readonly Workload[] = [
  workload('version 2', { options: { compat: '0.10' } }, VARIED),
  workload('1-bit refcounts', { options: { refcount_bits: 1 } }, VARIED),
  workload('1 KiB clusters', { options: { cluster_size: 1024 } }, VARIED),
  workload('over a backing image', { backing: 30 }, VARIED),
  workload('version 2 over a backing image', { options: { compat: '0.10' }, backing: 60 }, VARIED),
  workload('lazy refcounts', { options: { lazy_refcounts: true } }, VARIED),
  workload('preallocated', { options: { preallocation: 'metadata' } }, VARIED),
  workload('a data file', { options: { data_file: 'data' } }, VARIED),
  workload('a raw data file', { options: { data_file: 'data', data_file_raw: true } }, VARIED),
  workload('extended L2', { options: EXTENDED, sectors: 60 }, VARIED),
  workload('extended L2 over a backing image', { options: EXTENDED, backing: 40 }, VARIED),
];

const RANDOM: readonly Workload[] = [
  random(1, { sectors: 60 }),
  random(2, { sectors: 80, options: { refcount_bits: 2 }, maxSnapshots: 0 }),
  random(3, { sectors: 60, options: { lazy_refcounts: true } }),
  random(4, { sectors: 70, backing: 90 }),
  random(5, { sectors: 150, options: EXTENDED, backing: 60 }),
  random(6, { sectors: 60, options: { preallocation: 'metadata', refcount_bits: 64 } }),
  random(7, { sectors: 50, options: { compat: '0.10' }, mayCreateBitmaps: false }),
  random(8, { sectors: 120, options: { cluster_size: 2048, lazy_refcounts: true } }),
  random(9, { sectors: 80, options: { cluster_size: 4096, data_file: 'data' } }),
];

const SNAPSHOTS: readonly Workload[] = [
  workload(
    'snapshots are made',
    { prepared: 'write 0 20' },
    script('write 5 3; snapshot a; write 6 10; snapshot b; write 0 4; flush; snapshot c'),
  ),
  workload(
    'written after a snapshot',
    { sectors: 140, prepared: 'write 0 100; snapshot a; write 20 4; snapshot b' },
    script(`
      write 10 8; flush; zero 40 6; discard 60 8; write 90 20; flush; write 11 2; flush;
      discard 0 140; flush; write 3 60`),
  ),
  workload(
    'a snapshot is applied',
    { sectors: 140, prepared: 'write 0 100; snapshot a; write 10 30; zero 60 20' },
    script('write 90 20; apply 0; write 8 6; flush; write 70 2; apply 0; snapshot b; write 0 1'),
  ),
  workload(
    'snapshots are deleted',
    { sectors: 140, prepared: 'write 0 90; snapshot a; write 10 30; snapshot b; write 20 90' },
    script('write 0 4; delete 0; write 12 8; flush; delete 0; write 40 6; flush'),
  ),
  workload(
    'snapshots of an image with lazy refcounts',
    { options: { lazy_refcounts: true }, prepared: 'write 0 20' },
    script('write 4 4; snapshot a; write 8 8; flush; apply 0; write 2 2; delete 0; write 1 1'),
  ),
  workload(
    'snapshots over a backing image',
    { options: EXTENDED, backing: 40, prepared: 'write 3 9; snapshot a' },
    script('write 10 4; snapshot b; write 40 8; flush; apply 0; write 5 2; delete 0; flush'),
  ),
  workload(
    'snapshots of different refcount widths',
    { options: { refcount_bits: 4 }, prepared: 'write 0 48' },
    script('snapshot a; snapshot b; write 0 8; delete 0; snapshot c; apply 1; write 4 8; flush'),
  ),
];

const TOOLS: readonly Workload[] = [
  workload(
    'bitmaps',
    { prepared: 'write 0 10' },
    script(`
      bitmap a; write 3 5; bitmap-off b; flush; write 20 2; enable 1; write 30 4; merge 0 1;
      disable 0; write 1 2; clear 1; write 40 2; flush; remove 0; write 7 1`),
  ),
  workload(
    'bitmaps across opening',
    { sectors: 90, prepared: 'bitmap a; write 0 30; bitmap b 4096; write 60 4' },
    script('write 5 5; reopen; write 80 3; disable 0; reopen; enable 0; write 1 1; discard 60 8'),
  ),
  workload(
    'bitmaps and a new size',
    { prepared: 'bitmap a; write 10 20; bitmap b 4096; write 40 8' },
    script('resize 100; write 90 5; resize 20; reopen; write 3 3; resize 60; write 50 9; flush'),
  ),
  workload(
    'a disk grows',
    { prepared: 'write 0 48' },
    script('resize 90; write 60 20; flush; resize 300; write 290 10; flush; resize 310'),
  ),
  workload(
    'a disk shrinks',
    { sectors: 300, prepared: 'write 0 300' },
    script('write 200 4; resize 140; write 100 4; flush; resize 30; write 29 1; flush; resize 64'),
  ),
  workload(
    'a disk with snapshots changes its size',
    { sectors: 140, prepared: 'write 0 140; snapshot a' },
    script('write 5 5; resize 70; write 60 8; snapshot b; resize 200; apply 0; delete 0; apply 0'),
  ),
  workload(
    'a disk over a longer one grows',
    { sectors: 40, backing: 100, prepared: 'write 0 4' },
    script('resize 60; write 50 4; flush; resize 120; flush; resize 30; write 20 5; resize 80'),
  ),
  workload(
    'compressed writes',
    { options: { cluster_size: 4096 }, sectors: 96 },
    script(`
      compress 0 4; flush; write 3 4; compress 6 3; flush; compress 0 2; write 50 2; flush;
      discard 16 32; compress 4 2; flush; compress 1 1; compress 9 3; flush`),
  ),
  workload(
    'compressed writes and snapshots',
    { options: { cluster_size: 2048 }, sectors: 80, prepared: 'compress 0 10; snapshot a' },
    script(
      'compress 3 4; write 2 3; flush; snapshot b; compress 5 9; apply 0; delete 1; write 1 1',
    ),
  ),
  workload(
    'options are amended',
    { options: { compat: '0.10' }, sectors: 80, prepared: 'write 0 60' },
    script(`
      amend compat 1.1; zero 4 8; snapshot a; write 20 9; amend lazy_refcounts on; write 30 9;
      amend refcount_bits 64; write 2 3; amend refcount_bits 16; amend compat 0.10; write 5 1`),
  ),
  workload(
    'zero clusters become data on the way to version 2',
    { sectors: 140, backing: 140, prepared: 'write 0 40; zero 10 20; snapshot a; zero 60 30' },
    script('zero-keep 30 4; amend compat 0.10; write 12 3; flush; delete 0; amend compat 1.1'),
  ),
  workload(
    'content is given up',
    { sectors: 150, backing: 100, prepared: 'write 0 90; snapshot a; write 30 90' },
    script('write 5 9; drop; write 60 9; flush; apply 0; drop; write 1 1'),
  ),
];

function fillUpTo(sectors: number): string {
  const parts = Array.from({ length: sectors / 390 }, (_, index) => `write ${index * 390} 390`);
  return parts.join(';');
}

/** Handles are left alone: a failure is easier to understand without. */
function random(seed: number, given: Given): Workload {
  const operations = fc
    .sample(anyOperation, { seed, numRuns: RANDOM_STEPS })
    .filter(({ kind }) => kind !== 'clone' && kind !== 'close');
  return { ...workload(`random ${seed}`, given, operations), isRandom: true };
}

export const QCOW2_WORKLOADS: readonly Workload[] = [
  ...WAYS,
  ...KINDS,
  ...SNAPSHOTS,
  ...TOOLS,
  ...RANDOM,
];
