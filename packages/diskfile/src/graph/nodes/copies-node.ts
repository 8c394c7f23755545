/** Nodes over several copies of one disk: `quorum` and `blkverify`. */
import type { DiskFile, Step } from '@diskfile/core';
import { abandonDisk } from '../../chain/disk-steps.ts';
import { type BlockOptions, type ChildOptions, invalid } from '../options/block-options.ts';
import { needChild } from './need-child.ts';
import type { NodeDriver, NodeRequest, OpenedNode } from './node-driver.ts';
import { QuorumDisk, type QuorumPolicy } from '../disks/quorum-disk.ts';
import { VerifiedDisk } from '../disks/verified-disk.ts';

const MAX_COPIES = 256;

export const quorumDriver: NodeDriver = { kind: 'format', open: openQuorum };
export const blkverifyDriver: NodeDriver = { kind: 'protocol', open: openBlkverify };

function* openQuorum(request: NodeRequest): Step<OpenedNode> {
  const children = request.options.takeChildren('children');
  const policy = takePolicy(request.options, children.length);
  const copies = yield* openAll(request, children);
  if (copies.some(({ sizeBytes }) => sizeBytes !== copies[0]!.sizeBytes)) {
    for (const copy of copies) yield* abandonDisk(copy);
    throw invalid('Could not refresh total sector count: Input/output error');
  }
  return { disk: new QuorumDisk(copies, policy) };
}

function takePolicy(options: BlockOptions, copies: number): QuorumPolicy {
  if (copies === 0) throw invalid('Number of provided children must be 1 or more');
  if (copies > MAX_COPIES) throw invalid('Too many children');
  const threshold = options.takeNumber('vote-threshold') ?? 0;
  if (threshold < 1) throw invalid("Parameter 'vote-threshold' expects a value >= 1");
  if (threshold > copies) throw invalid('threshold may not exceed children count');
  const pattern = options.takeText('read-pattern') ?? 'quorum';
  if (pattern !== 'quorum' && pattern !== 'fifo') {
    throw invalid('Please set read-pattern as fifo or quorum');
  }
  const compares = options.takeFlag('blkverify') ?? false;
  const rewrites = options.takeFlag('rewrite-corrupted') ?? false;
  const firstOnly = pattern === 'fifo';
  if (firstOnly) return { threshold, rewrites: false, firstOnly, compares: false };
  if (compares && (copies !== 2 || threshold !== 2)) {
    throw invalid(
      'blkverify=on can only be set if there are exactly two files and vote-threshold is 2',
    );
  }
  if (compares && rewrites) {
    throw invalid('rewrite-corrupted=on cannot be used with blkverify=on');
  }
  return { threshold, rewrites, firstOnly, compares };
}

function* openBlkverify(request: NodeRequest): Step<OpenedNode> {
  const raw = needChild(request.options, 'raw');
  const test = needChild(request.options, 'test');
  // A copy of no stated format is nothing but its bytes.
  if (!raw.options.has('driver')) raw.options.set('driver', 'file');
  const [copy, disk] = yield* openAll(request, [raw, test]);
  const verified = new VerifiedDisk(disk!, copy!);
  request.opener.onceOpened.push(() => verified.begin());
  return { disk: verified };
}

function* openAll(
  { access, opener }: NodeRequest,
  children: readonly ChildOptions[],
): Step<DiskFile[]> {
  const opened: DiskFile[] = [];
  try {
    for (const child of children) opened.push(yield* opener.openDisk(child, access));
    return opened;
  } catch (error) {
    for (const disk of opened) yield* abandonDisk(disk);
    throw error;
  }
}
