/** qcow2 in every combination of options: pairwise, so that every two of them meet. */
import type { FormatOptions } from '@diskfile/core';
import { type Case, pairwise } from '../pairwise.ts';
import { verifyQcow2 } from '../verify/verify-qcow2.ts';
import { noise } from '../model/noise.ts';
import { FormatSubject } from './format-subject.ts';
import type { Subject } from './subject.ts';

const KIBIBYTE = 1024;
const SECTOR = 512;
/** Few enough for tables to be evicted and written early. */
const CACHE_BYTES = 32 * KIBIBYTE;

const FACTORS = {
  clusterBytes: [512, 1024, 4096, 16 * KIBIBYTE, 64 * KIBIBYTE, 2048 * KIBIBYTE],
  version: [2, 3],
  refcountBits: [1, 2, 4, 8, 16, 32, 64],
  extendedL2: [false, true],
  backing: ['none', 'shorter', 'longer'],
  dataFile: ['none', 'plain', 'raw'],
  lazyRefcounts: [false, true],
  compression: ['zlib', 'zstd'],
  preallocation: ['off', 'metadata', 'falloc', 'full'],
} as const;

type Factors = typeof FACTORS;
export type Qcow2Case = Case<Factors>;

function isValid(candidate: Qcow2Case): boolean {
  const { version, refcountBits, extendedL2, clusterBytes, backing, dataFile } = candidate;
  const { lazyRefcounts, compression, preallocation } = candidate;
  if (version === 2) {
    const later = extendedL2 || lazyRefcounts || dataFile !== 'none' || compression === 'zstd';
    if (later || refcountBits !== 16) return false;
  }
  if (extendedL2 && clusterBytes < 16 * KIBIBYTE) return false;
  if (dataFile === 'raw' && backing !== 'none') return false;
  // What is prepared reads as zeros and would hide the image below, so tools refuse that.
  return !(backing !== 'none' && preallocation !== 'off' && !extendedL2);
}

/** Odd on purpose: it ends in the middle of a cluster, and most have several L2 tables. */
function sizeOf({ clusterBytes }: Qcow2Case): number {
  if (clusterBytes <= 1024) return 150 * clusterBytes + SECTOR;
  if (clusterBytes <= 16 * KIBIBYTE) return 20 * clusterBytes + 3 * SECTOR;
  return clusterBytes === 64 * KIBIBYTE ? 5 * clusterBytes + 7 * SECTOR : clusterBytes + 9 * SECTOR;
}

export function qcow2Subject(candidate: Qcow2Case): Subject {
  const sizeBytes = sizeOf(candidate);
  const backing = backingOf(candidate, sizeBytes);
  return new FormatSubject({
    name: nameOf(candidate),
    format: 'qcow2',
    sizeBytes,
    clusterBytes: candidate.clusterBytes,
    options: optionsOf(candidate),
    maxSnapshots: maxSnapshots(candidate),
    mayCreateBitmaps: candidate.version === 3,
    ...(backing === undefined ? {} : { backing }),
    limits: { metadataCacheBytes: CACHE_BYTES },
    verify: (files) => verifyQcow2(files.bytes()),
  });
}

/**
 * As many as there can be references to a cluster, besides those of the active state. Where few are
 * possible, a cluster that holds several compressed ones may have all of them already.
 */
function maxSnapshots({ refcountBits, dataFile }: Qcow2Case): number {
  return dataFile !== 'none' || refcountBits < 8 ? 0 : 2 ** refcountBits - 2;
}

function optionsOf(candidate: Qcow2Case): FormatOptions {
  const { version, dataFile, compression } = candidate;
  const common = {
    cluster_size: candidate.clusterBytes,
    preallocation: candidate.preallocation,
    compat: version === 2 ? '0.10' : '1.1',
  };
  if (version === 2) return common;
  return {
    ...common,
    refcount_bits: candidate.refcountBits,
    extended_l2: candidate.extendedL2,
    lazy_refcounts: candidate.lazyRefcounts,
    compression_type: compression,
    ...(dataFile === 'none' ? {} : { data_file: 'data', data_file_raw: dataFile === 'raw' }),
  };
}

function backingOf({ backing }: Qcow2Case, sizeBytes: number): Uint8Array | undefined {
  if (backing === 'none') return undefined;
  const lengthBytes = backing === 'shorter' ? Math.floor(sizeBytes * 0.7) : sizeBytes * 2;
  return noise(7, lengthBytes - (lengthBytes % SECTOR));
}

function nameOf(candidate: Qcow2Case): string {
  return Object.entries(candidate)
    .filter(([, value]) => value !== false && value !== 'none' && value !== 'off')
    .map(([factor, value]) => (value === true ? factor : `${factor} ${value}`))
    .join(', ');
}

/** Every two values of two options meet in one of these. */
export function qcow2Subjects(): Subject[] {
  return pairwise(FACTORS, isValid).map(qcow2Subject);
}
