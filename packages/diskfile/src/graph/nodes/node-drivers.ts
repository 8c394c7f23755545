/** Nodes of a block graph that are no disk formats: the host's files, windows, and filters. */
import { alignUp, DiskError } from '@diskfile/bytes';
import { closeStorage, type DiskFile, isWritable, type Step, type Storage } from '@diskfile/core';
import {
  type HostFileKind,
  nodeHostFiles,
  sliceStorage,
  WritableSliceStorage,
} from '@diskfile/storage';
import { openHostFile } from '../../open/host-file.ts';
import { type BlockOptions, invalid } from '../options/block-options.ts';
import { blkdebugDriver } from '../blkdebug/blkdebug-node.ts';
import { CopyOnReadDisk } from '../disks/copy-on-read-disk.ts';
import { CompressingDisk } from '../disks/compressing-disk.ts';
import { blkverifyDriver, quorumDriver } from './copies-node.ts';
import { DiskFilter } from '../disks/disk-filter.ts';
import { abandonDisk } from '../../chain/disk-steps.ts';
import { needChild } from './need-child.ts';
import type { NodeDriver, NodeRequest, OpenedNode } from './node-driver.ts';
import { NullStorage } from '../disks/null-storage.ts';

const SECTOR_BYTES = 512;
const DEFAULT_NULL_BYTES = 1024 ** 3;

const DRIVERS: Readonly<Record<string, NodeDriver>> = {
  file: { kind: 'protocol', open: openFile },
  host_device: { kind: 'protocol', open: openFile },
  raw: { kind: 'format', open: openRaw },
  'null-co': { kind: 'protocol', open: openNull },
  'null-aio': { kind: 'protocol', open: openNull },
  blkdebug: blkdebugDriver,
  blkverify: blkverifyDriver,
  quorum: quorumDriver,
  throttle: { kind: 'format', open: openThrottle },
  preallocate: { kind: 'format', open: openPreallocate },
  'copy-on-read': {
    kind: 'format',
    open: openCopyOnRead,
  },
  compress: {
    kind: 'format',
    open: (request) => openFilter(request, (disk) => new CompressingDisk(disk)),
  },
};

export function findNodeDriver(name: string): NodeDriver | undefined {
  return Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined;
}

function* openFile({ name, options, access, opener }: NodeRequest): Step<OpenedNode> {
  const path = options.takeText('filename');
  if (path === undefined || path === '') {
    throw invalid(`The '${name}' block driver requires a file name`);
  }
  const locking = options.takeChoice('locking', ['on', 'off', 'auto']) ?? 'auto';
  const aio = options.takeChoice('aio', ['threads', 'native', 'io_uring']);
  if (aio === 'native' && access.direct !== true) {
    throw invalid(
      'aio=native was specified, but it requires cache.direct=on, which was not specified.',
    );
  }
  for (const tuning of ['drop-cache', 'x-check-cache-dropped']) options.takeFlag(tuning);
  options.takeNumber('aio-max-batch');
  const { writable, forceShare } = access;
  yield* refuseOtherKind(name!, path, writable);
  const storage = yield* openHostFile(path, {
    writable,
    ...(locking === 'off' ? {} : { locking: opener.lockingOf(forceShare) }),
  });
  return { storage };
}

/** The driver of a path that states none. */
export function* fileDriverOf(path: string): Step<'file' | 'host_device'> {
  try {
    const { kind } = yield* nodeHostFiles.status(path);
    return isDevice(kind) ? 'host_device' : 'file';
  } catch (error) {
    // Whoever opens it says why that cannot be.
    if (error instanceof DiskError) return 'file';
    throw error;
  }
}

function isDevice(kind: HostFileKind): boolean {
  return kind === 'block device' || kind === 'character device';
}

/** Directories that are to be written are not even opened; the host says so. */
function* refuseOtherKind(driver: string, path: string, writable: boolean): Step<void> {
  if (driver === 'file' && (yield* fileDriverOf(path)) === 'file') return;
  const { kind } = yield* nodeHostFiles.status(path);
  if (writable && kind === 'directory') return;
  if (driver === 'file') throw invalid(`'file' driver requires '${path}' to be a regular file`);
  if (isDevice(kind)) return;
  throw invalid(`'${driver}' driver requires '${path}' to be either a character or block device`);
}

/** Any bytes as a disk, or a window onto them. */
function* openRaw({ options, access, opener }: NodeRequest): Step<OpenedNode> {
  const storage = yield* opener.openStorage(needChild(options, 'file'), access);
  try {
    return { storage: windowOf(storage, options, access.writable) };
  } catch (error) {
    yield* closeStorage(storage);
    throw error;
  }
}

function windowOf(storage: Storage, options: BlockOptions, writable: boolean): Storage {
  const offset = options.takeSize('offset');
  const size = options.takeSize('size');
  if (offset === undefined && size === undefined) return storage;
  const sizeBytes = alignUp(storage.sizeBytes, SECTOR_BYTES);
  const start = offset ?? 0;
  if (start > sizeBytes) {
    throw invalid(
      `Offset (${start}) cannot be greater than size of the containing file (${sizeBytes})`,
    );
  }
  if (size !== undefined && size > sizeBytes - start) {
    throw invalid(
      `The sum of offset (${start}) and size (${size}) has to be smaller or equal to the ` +
        ` actual size of the containing file (${sizeBytes})`,
    );
  }
  if (size !== undefined && size % SECTOR_BYTES !== 0) {
    throw invalid(`Specified size is not multiple of ${SECTOR_BYTES}`);
  }
  // The file may end within its last sector, and the window with it.
  const from = Math.min(start, storage.sizeBytes);
  const lengthBytes = size === undefined ? undefined : Math.min(size, storage.sizeBytes - from);
  return writable && isWritable(storage)
    ? new WritableSliceStorage(storage, from, lengthBytes)
    : sliceStorage(storage, from, lengthBytes);
}

// eslint-disable-next-line require-yield
function* openNull({ name, options }: NodeRequest): Step<OpenedNode> {
  const size = options.takeSize('size') ?? DEFAULT_NULL_BYTES;
  const latency = options.takeNumber('latency-ns') ?? 0;
  const readsZeroes = options.takeFlag('read-zeroes') ?? false;
  if (latency < 0) throw invalid('latency-ns is invalid');
  return { storage: new NullStorage(`${name}://`, size, latency, readsZeroes) };
}

function* openThrottle(request: NodeRequest): Step<OpenedNode> {
  const group = request.options.takeText('throttle-group');
  if (group === undefined) throw invalid('Please specify a throttle group');
  if (!request.opener.settings.objects.hasThrottleGroup(group)) {
    throw invalid(`Throttle group '${group}' does not exist`);
  }
  return yield* openFilter(request, (disk) => new DiskFilter(disk, 'throttle'));
}

/** A node that copies what it reads is one that writes, whoever only reads from it. */
function* openCopyOnRead(request: NodeRequest): Step<OpenedNode> {
  if (!request.access.writable) throw invalid('Block node is read-only');
  return yield* openFilter(request, (disk) => new CopyOnReadDisk(disk));
}

/** Room that QEMU would take beforehand is taken as it is needed. */
function* openPreallocate(request: NodeRequest): Step<OpenedNode> {
  for (const size of ['prealloc-align', 'prealloc-size']) request.options.takeSize(size);
  return yield* openFilter(request, (disk) => new DiskFilter(disk, 'preallocate'));
}

function* openFilter(
  { options, access, opener }: NodeRequest,
  filter: (disk: DiskFile) => DiskFile,
): Step<OpenedNode> {
  const disk = yield* opener.openDisk(needChild(options, 'file'), access);
  try {
    return { disk: filter(disk) };
  } catch (error) {
    yield* abandonDisk(disk);
    throw error;
  }
}
