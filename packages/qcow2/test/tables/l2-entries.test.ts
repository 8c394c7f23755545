import { describe, expect, it } from 'vitest';
import { writeU32be } from '@diskfile/bytes';
import { errorOf, firstDifference, openImage, readAll } from '../support/open-image.ts';
import { type ClusterSpec, modelOf } from '../support/content.ts';
import {
  EXTENSION,
  type ImageSpec,
  writeQcow2,
  type WrittenImage,
} from '../support/qcow2-writer.ts';

const DATA: ClusterSpec = { kind: 'data', fill: 1 };
const READY: ClusterSpec = { kind: 'zero-ready', fill: 1 };

/** Rewrites the entry of the second cluster: the first one must stay readable. */
function withEntry(
  spec: ImageSpec,
  change: (entry: DataView) => void,
): { written: WrittenImage; read: (cluster: number) => void } {
  const written = writeQcow2(spec);
  const at = written.l2EntryOffset(1);
  change(new DataView(written.bytes.buffer, at, 16));
  const disk = openImage(written.bytes, { files: { d: written.dataFile } });
  const buffer = new Uint8Array(written.clusterBytes);
  return { written, read: (cluster) => disk.readSync(buffer, cluster * written.clusterBytes) };
}

function refusal(spec: ImageSpec, change: (entry: DataView) => void) {
  const { written, read } = withEntry(spec, change);
  read(0);
  const error = errorOf(() => read(1));
  expect(error.context.offset).toBe(written.l2EntryOffset(1));
  expect(error.hint).toBeTruthy();
  return error;
}

const setLow = (bits: number) => (entry: DataView) => entry.setUint32(4, entry.getUint32(4) + bits);

describe('an L2 entry is refused', () => {
  const two = { clusters: [DATA, DATA] };

  it.each<[detail: string, spec: ImageSpec, change: (entry: DataView) => void]>([
    ['qcow2.l2-entry-unaligned', { clusterBits: 10, ...two }, setLow(512)],
    ['qcow2.l2-entry-unaligned', { clusterBits: 10, clusters: [DATA, READY] }, setLow(512)],
    ['qcow2.offset-too-far', two, (entry) => entry.setUint32(0, 0x80f0_0000)],
    ['qcow2.l2-entry-zero-flag', { version: 2, ...two }, setLow(1)],
    [
      'qcow2.l2-entry-zero-flag',
      { version: 2, clusters: [DATA, { kind: 'unallocated', fill: 0 }] },
      setLow(1),
    ],
    [
      'qcow2.offset-too-far',
      { clusterBits: 9, clusters: [DATA, { kind: 'compressed', fill: 1 }] },
      (entry) => entry.setUint32(0, 0x5fff_ffff),
    ],
  ])('%s', (detail, spec, change) => {
    expect(refusal(spec, change)).toMatchObject({ code: 'corrupt', detail });
  });

  it('when the data file is not mapped one to one, or holds compressed clusters', () => {
    const data = new TextEncoder().encode('d');
    const spec: ImageSpec = {
      clusters: [DATA, DATA, DATA, DATA],
      dataFile: true,
      extensions: [{ type: EXTENSION.dataFileName, data }],
    };
    expect(refusal(spec, setLow(512)).detail).toBe('qcow2.data-file-offset');
    const compressed = (entry: DataView) => entry.setUint32(0, 0x4000_0000);
    expect(refusal(spec, compressed).detail).toBe('qcow2.data-file-compressed');
  });

  it('when subclusters are data and zero at once, or data without a cluster', () => {
    const spec: ImageSpec = { clusterBits: 14, extendedL2: true, clusters: [DATA, DATA] };
    const both = (entry: DataView) => entry.setUint32(8, 2 ** 20);
    expect(refusal(spec, both).detail).toBe('qcow2.l2-entry-bitmap');
    const homeless = (entry: DataView) => entry.setBigUint64(0, 0n);
    expect(refusal(spec, homeless).detail).toBe('qcow2.l2-entry-bitmap');
    const unaligned = (entry: DataView) => setLow(512)(entry);
    expect(refusal(spec, unaligned).detail).toBe('qcow2.l2-entry-unaligned');
  });

  it('and stops a run of neighbours that were fine', () => {
    const spec: ImageSpec = { clusters: [DATA, DATA], clusterBits: 10 };
    const written = writeQcow2(spec);
    writeU32be(written.bytes, written.l2EntryOffset(1) + 4, 512);
    const [first] = openImage(written.bytes).blockStatusSync(0, 1024);
    expect(first).toMatchObject({ lengthBytes: 1024, data: true });
  });
});

describe('an L2 entry is read', () => {
  it('without regard to reserved bits, as QEMU reads it', () => {
    const { written } = withEntry({ clusters: [DATA, DATA] }, (entry) => {
      entry.setUint32(0, 0xbf00_0000);
      setLow(0x1fe)(entry);
    });
    const model = modelOf([DATA, DATA], 512, 1024);
    expect(firstDifference(readAll(openImage(written.bytes)), model)).toBe(-1);
  });

  it('as zeros when it points past the end of the file', () => {
    const { written } = withEntry({ clusters: [DATA, DATA] }, (entry) => {
      entry.setUint32(0, 0x8000_0100);
    });
    const disk = openImage(written.bytes);
    const model = modelOf([DATA, { kind: 'zero', fill: 0 }], 512, 1024);
    expect(firstDifference(readAll(disk), model)).toBe(-1);
    expect([...disk.blockStatusSync()].map(({ data }) => data)).toEqual([true, true]);
  });

  it('ignoring the bitmap of a compressed cluster', () => {
    const compressed: ClusterSpec = { kind: 'compressed', fill: 4 };
    const spec: ImageSpec = { clusterBits: 14, extendedL2: true, clusters: [DATA, compressed] };
    const { written } = withEntry(spec, (entry) => entry.setBigUint64(8, ~0n));
    const model = modelOf([DATA, compressed], 16384, 32768);
    expect(firstDifference(readAll(openImage(written.bytes)), model)).toBe(-1);
  });

  it('as data of cluster 0 of a data file when offset 0 is marked as copied', () => {
    const data = new TextEncoder().encode('d');
    const extensions = [{ type: EXTENSION.dataFileName, data }];
    const written = writeQcow2({ clusters: [DATA, DATA], dataFile: true, extensions });
    const files = { d: written.dataFile };
    const allocated = () =>
      [...openImage(written.bytes, { files }).blockStatusSync()].map((status) => status.allocated);
    expect(allocated()).toEqual([true]);
    new DataView(written.bytes.buffer).setBigUint64(written.l2EntryOffset(0), 0n);
    expect(allocated()).toEqual([false, true]);
  });
});

describe('an L1 entry', () => {
  const written = () => writeQcow2({ clusterBits: 10, clusters: [DATA, DATA] });

  it.each([
    ['qcow2.l2-table-unaligned', 512, 0],
    ['qcow2.offset-too-far', 0, 0x00f0_0000],
  ])('%s is refused', (detail, low, high) => {
    const image = written();
    const entry = new DataView(image.bytes.buffer, image.l1Offset, 8);
    entry.setUint32(0, entry.getUint32(0) + high);
    entry.setUint32(4, entry.getUint32(4) + low);
    expect(errorOf(() => readAll(openImage(image.bytes)))).toMatchObject({
      code: 'corrupt',
      detail,
      context: { offset: image.l1Offset },
    });
  });

  it('past the end of the file maps nothing; its reserved bits mean nothing', () => {
    const image = written();
    const entry = new DataView(image.bytes.buffer, image.l1Offset, 8);
    entry.setUint32(0, 0x7f00_0000);
    entry.setUint32(4, entry.getUint32(4) + 0x1ff);
    expect(readAll(openImage(image.bytes)).some((byte) => byte !== 0)).toBe(true);
    entry.setUint32(0, 0x8000_0100);
    expect([...openImage(image.bytes).blockStatusSync()]).toMatchObject([{ allocated: false }]);
  });
});
