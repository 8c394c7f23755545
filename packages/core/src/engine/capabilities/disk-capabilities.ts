/** Puts together what one disk can do: whatever its image has, and only that. */
import type { DiskCapabilities } from '../../disk-capabilities.ts';
import { Amending } from './amending.ts';
import { Backing } from './backing.ts';
import { Bitmaps } from './bitmaps.ts';
import { Compression } from './compression.ts';
import { CopyUp } from './copy-up.ts';
import type { CapabilityTarget } from './disk-change.ts';
import { Resizing } from './resizing.ts';
import { Snapshots } from './snapshots.ts';
import { VmState } from './vm-state.ts';

export function capabilitiesOf(target: CapabilityTarget, synchronous: boolean): DiskCapabilities {
  const { snapshots, bitmaps, writer, vmState } = target.image;
  const { compress, copyUp } = target;
  return {
    synchronous,
    resizing: writer?.resizer && new Resizing(target),
    snapshots: snapshots && new Snapshots(target),
    bitmaps: bitmaps && new Bitmaps(target),
    backing: writer?.backing && new Backing(target),
    amending: writer?.amender && new Amending(target),
    vmState: vmState && new VmState(target, vmState),
    copyUp: copyUp && new CopyUp(target, copyUp),
    compression: compress && new Compression(target, compress, writer!.compression!),
  };
}

/** Of a disk that is bytes and nothing else. */
export function noCapabilities(synchronous: boolean): DiskCapabilities {
  return {
    synchronous,
    resizing: undefined,
    snapshots: undefined,
    bitmaps: undefined,
    backing: undefined,
    amending: undefined,
    vmState: undefined,
    copyUp: undefined,
    compression: undefined,
  };
}
