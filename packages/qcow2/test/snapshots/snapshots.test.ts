import { describe, expect, it } from 'vitest';
import { writeU32be, writeU64be } from '@diskfile/bytes';
import { errorOf, firstDifference, openImage, readAll } from '../support/open-image.ts';
import { type ClusterSpec, modelOf } from '../support/content.ts';
import { type SnapshotSpec, writeQcow2 } from '../support/qcow2-writer.ts';

const cluster = (fill: number): ClusterSpec => ({ kind: 'data', fill });
const active = [cluster(1), cluster(2), cluster(3)];
const older: SnapshotSpec = {
  id: '1',
  name: 'clean install',
  clusters: [cluster(11), cluster(12)],
  diskSizeBytes: 1024,
  icount: 77,
  vmStateBytes: 4096,
};
const newer: SnapshotSpec = {
  id: '2',
  name: '1',
  clusters: [cluster(21), cluster(22), cluster(23)],
};

describe('snapshots', () => {
  const { bytes } = writeQcow2({ clusters: active, snapshots: [older, newer] });

  it('are listed with what their entries hold', () => {
    expect(openImage(bytes).capabilities.snapshots!.list()).toEqual([
      {
        id: '1',
        name: 'clean install',
        diskSizeBytes: 1024,
        vmStateBytes: 4096,
        icount: 77,
        date: { seconds: 1_700_000_000, nanoseconds: 5 },
        vmClockNanoseconds: 2 ** 60,
      },
      {
        id: '2',
        name: '1',
        diskSizeBytes: 1536,
        vmStateBytes: 0,
        date: { seconds: 1_700_000_000, nanoseconds: 5 },
        vmClockNanoseconds: 2 ** 60,
      },
    ]);
  });

  it.each([
    ['1', older, 1024],
    ['clean install', older, 1024],
    ['2', newer, 1536],
    [undefined, { clusters: active }, 1536],
  ])('%s opens as a disk of its own, an id before a name', (snapshot, expected, sizeBytes) => {
    const disk = openImage(bytes, snapshot === undefined ? {} : { snapshot });
    expect(disk.sizeBytes).toBe(sizeBytes);
    const model = modelOf(expected.clusters, 512, sizeBytes);
    expect(firstDifference(readAll(disk), model)).toBe(-1);
  });

  it('larger than the active disk read whole', () => {
    const snapshot = { ...older, clusters: Array.from({ length: 70 }, (_, i) => cluster(i)) };
    const written = writeQcow2({
      clusters: [cluster(1)],
      snapshots: [{ ...snapshot, diskSizeBytes: 70 * 512 }],
    });
    const disk = openImage(written.bytes, { snapshot: '1' });
    expect(firstDifference(readAll(disk), modelOf(snapshot.clusters, 512, 70 * 512))).toBe(-1);
  });

  it('that are not there are refused with the list', () => {
    const error = errorOf(() => openImage(bytes, { snapshot: 'nope' }));
    expect(error).toMatchObject({ code: 'not-found', detail: 'qcow2.snapshot-not-found' });
    expect(error.hint).toContain('"clean install" (id 1), "1" (id 2)');
    const none = errorOf(() =>
      openImage(writeQcow2({ clusters: active }).bytes, { snapshot: '1' }),
    );
    expect(none.hint).toContain('no snapshots');
  });
});

describe('a damaged snapshot table', () => {
  const written = () => {
    const { bytes } = writeQcow2({ clusters: active, snapshots: [older, newer] });
    const view = new DataView(bytes.buffer);
    return { bytes, table: view.getUint32(68) };
  };

  it('cut off by the end of the file is a warning', () => {
    const { bytes, table } = written();
    const disk = openImage(bytes.slice(0, table + 80));
    expect(disk.capabilities.snapshots!.list()).toHaveLength(1);
    expect(disk.warnings).toMatchObject([{ detail: 'qcow2.snapshot-table-cut' }]);
    writeU64be(bytes, 64, 2 ** 40);
    expect(openImage(bytes).capabilities.snapshots!.list()).toEqual([]);
  });

  it('with too much extra data is refused', () => {
    const { bytes, table } = written();
    writeU32be(bytes, table + 36, 1025);
    expect(errorOf(() => openImage(bytes))).toMatchObject({
      code: 'corrupt',
      detail: 'qcow2.snapshot-extra-data',
    });
  });

  it('that goes on and on is bounded', () => {
    const { bytes, table } = written();
    const long = new Uint8Array(table + 4_000_000).fill(0);
    long.set(bytes);
    writeU32be(long, 60, 60_000);
    const limits = { maxStructureBytes: 100_000 };
    expect(errorOf(() => openImage(long, { limits }))).toMatchObject({
      code: 'limit',
      detail: 'qcow2.snapshot-table-size',
    });
  });

  it('hurts only the snapshot whose L1 table is wrong', () => {
    const { bytes, table } = written();
    writeU64be(bytes, table, 1000);
    expect(firstDifference(readAll(openImage(bytes)), modelOf(active, 512, 1536))).toBe(-1);
    expect(openImage(bytes, { snapshot: '2' }).sizeBytes).toBe(1536);
    expect(errorOf(() => openImage(bytes, { snapshot: '1' }))).toMatchObject({
      code: 'corrupt',
      detail: 'qcow2.snapshot-l1-table-unaligned',
    });
    writeU64be(bytes, table, 0);
    writeU32be(bytes, table + 8, 0xffff_ffff);
    expect(errorOf(() => openImage(bytes, { snapshot: '1' })).code).toBe('corrupt');
    writeU32be(bytes, table + 8, 0);
    const empty = openImage(bytes, { snapshot: '1' });
    expect([...empty.blockStatusSync()]).toMatchObject([{ allocated: false, lengthBytes: 1024 }]);
  });
});
