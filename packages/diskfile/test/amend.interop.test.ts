/** `amendDiskFile` beside `qemu-img amend`. */
import { haveTools, type QemuDirectory, writeMixedPayload } from '@diskfile/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { amendDiskFile, DiskError } from '../src/index.ts';
import { ImageTemplate, infoFacts, ownRanges } from './support/twin-directories.ts';

/** Writes that leave data, both kinds of zero clusters, and holes. */
const SCRIBBLES = [
  'write -P 1 0 700k',
  'write -P 2 1500k 300k',
  'write -z 64k 192k',
  'write -z -u 320k 64k',
  'write -z 1M 256k',
  'discard 1600k 128k',
];

function make(directory: QemuDirectory): void {
  writeMixedPayload(directory.file('base.raw'), 2 * 1024 * 1024, 7);
  const create = (name: string, options: string, ...args: string[]) => {
    directory.img('create', '-q', '-f', 'qcow2', '-o', options, ...args, name, '2M');
    const version2 = options.includes('compat=0.10');
    directory.io(
      name,
      version2 ? SCRIBBLES.filter((command) => !command.includes('-z')) : SCRIBBLES,
    );
  };
  const over = ['-b', 'base.raw', '-F', 'raw'];
  create('alone.qcow2', 'cluster_size=64k');
  create('over.qcow2', 'cluster_size=4k,lazy_refcounts=on', ...over);
  create('old.qcow2', 'compat=0.10,cluster_size=4k', ...over);
  create('narrow.qcow2', 'refcount_bits=1,cluster_size=512');
  create('data.qcow2', 'data_file=data');
  create('raw.qcow2', 'data_file=raw,data_file_raw=on');
  create('zstd.qcow2', 'compression_type=zstd', ...over);
  directory.io('zstd.qcow2', ['write -c -P 3 768k 64k']);
  create('extended.qcow2', 'extended_l2=on');
  for (const name of ['kept.qcow2', 'kept-over.qcow2']) {
    create(name, 'cluster_size=4k', ...(name === 'kept.qcow2' ? [] : over));
    directory.img('snapshot', '-c', 'one', name);
    directory.io(name, ['write -P 9 100k 100k', 'write -z 512k 128k', 'write -z -u 700k 300k']);
    directory.img('snapshot', '-c', 'two', name);
    directory.io(name, ['write -P 8 1M 100k']);
  }
}

const haveQemu = haveTools('qemu-img', 'qemu-io');

describe.skipIf(!haveQemu)('an image is amended as by qemu-img', () => {
  const template = new ImageTemplate(make);
  afterAll(() => template.remove());

  it.each([
    ['alone.qcow2', { compat: '0.10' }],
    ['alone.qcow2', { lazy_refcounts: 'on' }],
    ['alone.qcow2', { refcount_bits: 1 }],
    ['alone.qcow2', { refcount_bits: 64, lazy_refcounts: 'on' }],
    ['alone.qcow2', { size: '3M', refcount_bits: 8 }],
    ['over.qcow2', { compat: '0.10' }],
    ['over.qcow2', { lazy_refcounts: 'off' }],
    ['over.qcow2', { backing_file: 'base.raw', backing_fmt: 'raw' }],
    ['over.qcow2', { size: '5M' }],
    ['old.qcow2', { compat: '1.1' }],
    ['old.qcow2', { compat: 'v3', lazy_refcounts: 'on', refcount_bits: 32 }],
    ['old.qcow2', { compat: '0.10', refcount_bits: 16 }],
    ['narrow.qcow2', { refcount_bits: 64 }],
    ['narrow.qcow2', { refcount_bits: 16, compat: '0.10' }],
    ['data.qcow2', { refcount_bits: 4 }],
    ['raw.qcow2', { data_file_raw: 'off' }],
    ['kept.qcow2', { compat: '0.10' }],
    ['kept-over.qcow2', { compat: '0.10' }],
    ['kept-over.qcow2', { refcount_bits: 4 }],
    ['kept-over.qcow2', { refcount_bits: 64, size: '3M' }],
  ])('%s: %j', async (name, options) => {
    using pair = template.twins();
    const isKept = name.startsWith('kept');
    const kept = (isKept ? ['one', 'two'] : []).map(
      (snapshot) => [snapshot, pair.contentOfSnapshot(name, snapshot)] as const,
    );
    const list = Object.entries(options).map(([key, value]) => `${key}=${value}`);
    pair.theirs.img('amend', '-f', 'qcow2', '-o', list.join(','), name);
    expect(await amendDiskFile(pair.ours.file(name), options)).toEqual({ warnings: [] });
    pair.expectAlike(name);
    // QEMU writes zeros over data of a snapshot where a zero cluster has the same host cluster.
    if (!isKept) expect(ownRanges(pair.ours, name)).toEqual(ownRanges(pair.theirs, name));
    for (const [snapshot, content] of kept) {
      pair.expectSnapshot(name, snapshot, content);
      pair.ours.img('snapshot', '-a', snapshot, name);
      pair.ours.img('check', '-q', name);
      pair.expectSnapshot(name, snapshot, content);
    }
  });

  it.each([
    ['alone.qcow2', { foo: 1 }],
    ['alone.qcow2', { cluster_size: 4096 }],
    ['alone.qcow2', { preallocation: 'full' }],
    ['alone.qcow2', { compat: '2' }],
    ['alone.qcow2', { refcount_bits: 3 }],
    ['alone.qcow2', { refcount_bits: 8, compat: '0.10' }],
    ['alone.qcow2', { lazy_refcounts: 'on', compat: '0.10' }],
    ['alone.qcow2', { data_file: 'x' }],
    ['alone.qcow2', { data_file_raw: 'on' }],
    ['alone.qcow2', { size: 1000 }],
    ['over.qcow2', { backing_file: 'x' }],
    ['over.qcow2', { backing_fmt: 'raw' }],
    ['data.qcow2', { compat: '0.10' }],
    ['data.qcow2', { data_file_raw: 'on' }],
    ['narrow.qcow2', { compat: '0.10' }],
    ['zstd.qcow2', { compat: '0.10' }],
    ['extended.qcow2', { compat: '0.10' }],
    ['kept.qcow2', { refcount_bits: 1 }],
    ['base.raw', { size: 4096 }],
  ])('%s: %j is refused by both', async (name, options) => {
    using pair = template.twins();
    const before = infoFacts(pair.ours, name);
    const list = Object.entries(options).map(([key, value]) => `${key}=${value}`);
    const format = name === 'base.raw' ? 'raw' : 'qcow2';
    expect(pair.theirs.succeeds('amend', '-f', format, '-o', list.join(','), name)).toBe(false);
    const refusal = amendDiskFile(pair.ours.file(name), options, { format });
    await expect(refusal).rejects.toThrowError(DiskError);
    expect(infoFacts(pair.ours, name)).toEqual(before);
  });
});
