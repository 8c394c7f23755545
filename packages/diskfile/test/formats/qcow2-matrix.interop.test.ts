/**
 * Exactness: the product of {cluster size} × {version} × {plain, zlib, zstd} × {refcount bits} ×
 * {extended L2} × {data file} × {backing chain}, covered by pairs, and the product of those factors
 * that decide how a cluster is found, covered whole. Every disk reads as
 * `qemu-img convert` reads it, its block status is that of `qemu-img map`, and what is told of it
 * is what `qemu-img info` tells.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canFindHoles } from '@diskfile/storage';
import { asQemuMap, haveTools, pairwise, QemuDirectory, SeededRandom } from '@diskfile/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDiskFile } from '../../src/index.ts';
import { type ChainKind, makeChain, type Qcow2Options } from '../support/qcow2-chain.ts';
import { hashesByAllWays, sha256 } from '../support/read-checks.ts';

const haveQemu = haveTools('qemu-img', 'qemu-io');
if (!canFindHoles()) {
  process.stderr.write('holes of raw files cannot be told here: block status is not compared\n');
}

const CLUSTER_BITS = [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];
const VERSIONS = [2, 3] as const;
const DATA = ['plain', 'zlib', 'zstd'] as const;

interface MatrixCase extends Qcow2Options {
  readonly chain: ChainKind;
}

function exists(options: MatrixCase): boolean {
  const { clusterBits, version, data, refcountBits, extendedL2, dataFile, chain } = options;
  const onlyVersion3 = data === 'zstd' || refcountBits !== 16 || extendedL2;
  if (version === 2 && (onlyVersion3 || dataFile !== 'none')) return false;
  if (extendedL2 && clusterBits < 14) return false;
  if (dataFile !== 'none' && data !== 'plain') return false;
  return !(dataFile === 'raw' && chain !== 'none');
}

const allPairs = pairwise(
  {
    clusterBits: CLUSTER_BITS,
    version: VERSIONS,
    data: DATA,
    refcountBits: [1, 2, 4, 8, 16, 32, 64],
    extendedL2: [false, true],
    dataFile: ['none', 'external', 'raw'],
    chain: ['none', '1 raw, short', '1 qcow2, long', '3, short', '3, long', '10, mixed'],
  },
  exists,
);

/** What decides how a cluster is found, in all combinations. */
const allLayouts = CLUSTER_BITS.flatMap((clusterBits) =>
  VERSIONS.flatMap((version) =>
    DATA.flatMap((data) =>
      [false, true].map((extendedL2): MatrixCase => {
        const rest = { refcountBits: 16, dataFile: 'none', chain: 'none' } as const;
        return { clusterBits, version, data, extendedL2, ...rest };
      }),
    ),
  ),
).filter(exists);

const cases: MatrixCase[] = [...allPairs, ...allLayouts];

interface QemuInfo {
  readonly 'virtual-size': number;
  readonly 'cluster-size': number;
  readonly 'format-specific': { readonly data: Record<string, unknown> };
}

describe.skipIf(!haveQemu)('qcow2 equals QEMU', () => {
  let directory: QemuDirectory;

  beforeEach(() => {
    directory = new QemuDirectory(mkdtempSync(join(tmpdir(), 'diskfile-matrix-')));
  });
  afterEach(() => rmSync(directory.path, { recursive: true, force: true }));

  it.each(cases.map((options, seed) => ({ ...options, seed })))(
    'cluster 2^$clusterBits, version $version, $data, refcount $refcountBits, extended L2 $extendedL2, data file $dataFile, chain $chain',
    async ({ seed, chain, ...options }) => {
      const top = makeChain(directory, options, chain, seed + 1);
      directory.img('convert', '-O', 'raw', top, 'expected.raw');
      const expected = readFileSync(directory.file('expected.raw'));
      await using disk = await openDiskFile(directory.file(top));
      expect(disk.sizeBytes).toBe(expected.length);
      const hash = sha256(expected);
      expect(await hashesByAllWays(disk, new SeededRandom(seed + 7))).toEqual({
        sync: hash,
        async: hash,
        batch: hash,
        batchSync: hash,
      });
      if (canFindHoles()) {
        const map = directory.map(top);
        expect(asQemuMap(disk.blockStatusSync())).toEqual(map);
        const statuses = [];
        for await (const status of disk.blockStatus()) statuses.push(status);
        expect(asQemuMap(statuses)).toEqual(map);
      }
      const info = JSON.parse(directory.img('info', '--output=json', top)) as QemuInfo;
      const { details, ...own } = disk.info()[0]!;
      const { data } = info['format-specific'];
      expect(own).toMatchObject({
        virtualSizeBytes: info['virtual-size'],
        clusterBytes: info['cluster-size'],
      });
      expect(details['compat']).toBe(data['compat']);
      expect(details['refcountBits']).toBe(data['refcount-bits']);
      expect(details['compressionType']).toBe(data['compression-type']);
      if (options.version === 3) {
        expect(details['lazyRefcounts']).toBe(data['lazy-refcounts']);
        expect(details['extendedL2']).toBe(data['extended-l2']);
        expect(details['corrupt']).toBe(data['corrupt']);
      }
      expect(details['dataFile']).toBe(data['data-file']);
      expect(details['dataFileRaw']).toBe(data['data-file-raw'] ?? false);
    },
  );
});
