/** What a driver of nodes is given, and what it makes of it. */
import type {
  DiskFile,
  DiskWarning,
  FormatDriver,
  Limits,
  OpenGate,
  Step,
  Storage,
} from '@diskfile/core';
import type { ImageLocking } from '@diskfile/storage';
import type { Breakpoints } from '../blkdebug/fault-script.ts';
import type { BlockOptions, ChildOptions } from '../options/block-options.ts';
import type { NodeAccess, NodeOptions } from '../options/node-options.ts';
import type { UserObjects } from '../user-objects.ts';

/** A node moves bytes, or is a disk with whatever a disk can do. */
export type OpenedNode = { readonly storage: Storage } | { readonly disk: DiskFile };

export interface GraphSettings {
  readonly formats: readonly FormatDriver[];
  readonly limits: Limits;
  /** The gate for what images name, with the locks that files get. */
  readonly makeGate: (locking: ImageLocking) => OpenGate;
  readonly objects: UserObjects;
  /** False to open the uppermost image alone. */
  readonly followBacking: boolean;
  /** Internal snapshot of the uppermost image. */
  readonly snapshot: string | undefined;
  /** See `OpenDiskFileOptions.asQemu`. */
  readonly asQemu: boolean;
}

/** Opens the nodes below. Whoever asked for one closes it. */
export interface NodeOpener {
  readonly settings: GraphSettings;
  readonly warnings: DiskWarning[];
  /** Of the nodes that requests of the disk pass, the uppermost last. */
  readonly breakpoints: Breakpoints[];
  /** Called when the whole graph is open: what is done until then is nobody's request. */
  readonly onceOpened: (() => void)[];
  lockingOf(forceShare: boolean): ImageLocking;
  /** Opens a child that moves bytes alone, whatever driver it has. */
  openStorage(child: ChildOptions, access: NodeAccess): Step<Storage>;
  /** Opens a child that is a disk of any format. */
  openDisk(child: ChildOptions, access: NodeAccess): Step<DiskFile>;
}

export interface NodeRequest {
  /** As the driver was called; undefined where the format is to be found out. */
  readonly name: string | undefined;
  readonly isTop: boolean;
  readonly options: BlockOptions;
  readonly access: NodeOptions;
  readonly opener: NodeOpener;
}

export interface NodeDriver {
  /** What QEMU counts it as; its messages differ. */
  readonly kind: 'format' | 'protocol';
  open(request: NodeRequest): Step<OpenedNode>;
}
