/** Opens the nodes of a block graph, from the uppermost down. */
import { DiskError } from '@diskfile/bytes';
import {
  abandonStorages,
  createImageDisk,
  type DiskFile,
  type DiskWarning,
  openChain,
  type Step,
  type Storage,
} from '@diskfile/core';
import { decoders } from '@diskfile/codec';
import type { ImageLocking } from '@diskfile/storage';
import { abandonDisk } from '../chain/disk-steps.ts';
import { DebugDisk } from './blkdebug/debug-disk.ts';
import { DebugStorage } from './blkdebug/debug-storage.ts';
import type { Breakpoints } from './blkdebug/fault-script.ts';
import { type BlockOptions, type ChildOptions, invalid } from './options/block-options.ts';
import { DiskFilter } from './disks/disk-filter.ts';
import { withPolicies } from './disks/disk-policies.ts';
import { DiskStorage } from './disks/disk-storage.ts';
import { backingUnsupported, saysNoBacking } from './options/below-options.ts';
import { type DescribedImage, formatNodeDriver, openFormatFile } from './nodes/format-node.ts';
import type { GraphSettings, NodeOpener, OpenedNode } from './nodes/node-driver.ts';
import { fileDriverOf, findNodeDriver } from './nodes/node-drivers.ts';
import { type NodeAccess, type NodeOptions, takeNodeOptions } from './options/node-options.ts';
import { withoutKept } from './disks/null-disk.ts';
import { NullStorage } from './disks/null-storage.ts';

const MAX_DEPTH = 32;
const UNALIGNED_SIZE =
  "Cannot get 'write' permission without 'resize': Image size is not a multiple of request alignment";

interface Opened {
  readonly node: OpenedNode;
  /** Undefined for a format that had to be found out. */
  readonly name: string | undefined;
  readonly access: NodeOptions;
}

export class GraphOpening implements NodeOpener {
  readonly settings: GraphSettings;
  readonly warnings: DiskWarning[] = [];
  readonly breakpoints: Breakpoints[] = [];
  readonly onceOpened: (() => void)[] = [];
  readonly #names = new Set<string>();
  #depth = 0;

  constructor(settings: GraphSettings) {
    this.settings = settings;
  }

  lockingOf(forceShare: boolean): ImageLocking {
    return { forceShare, warn: (warning) => void this.warnings.push(warning) };
  }

  /** Opens the uppermost node. */
  *openTop(options: BlockOptions, access: NodeAccess): Step<DiskFile> {
    return yield* this.#diskOf(yield* this.#openNode(options, access, true));
  }

  /** Opens the file of the uppermost node alone, and tells the format that the node states. */
  *openFile(options: BlockOptions, above: NodeAccess): Step<DescribedImage> {
    const name = options.takeText('driver');
    if (name !== undefined && findNodeDriver(name) !== undefined) {
      options.set('driver', name);
      const { node } = yield* this.#openNode(options, above, true);
      return {
        storage: 'storage' in node ? node.storage : new DiskStorage(node.disk),
        format: 'raw',
        passphrases: [],
      };
    }
    return yield* openFormatFile({
      name,
      isTop: true,
      access: takeNodeOptions(options, above),
      options,
      opener: this,
    });
  }

  *openDisk(child: ChildOptions, access: NodeAccess): Step<DiskFile> {
    refuseReference(child);
    return yield* this.#diskOf(yield* this.#openNode(child.options, access, false));
  }

  *openStorage(child: ChildOptions, access: NodeAccess): Step<Storage> {
    refuseReference(child);
    const { options } = child;
    const path = options.has('driver') ? undefined : options.peekText('filename');
    if (path !== undefined) options.set('driver', yield* fileDriverOf(path));
    const { node } = yield* this.#openNode(options, access, false);
    if ('storage' in node) return node.storage;
    this.warnings.push(...node.disk.warnings);
    return new DiskStorage(node.disk);
  }

  *#diskOf({ node, name, access }: Opened): Step<DiskFile> {
    if ('disk' in node) return withPolicies(node.disk, access);
    const { limits } = this.settings;
    const chain = yield* openChain(node.storage, {
      drivers: this.settings.formats,
      decoders: decoders(),
      gate: this.settings.makeGate(this.lockingOf(access.forceShare)),
      limits,
      format: 'raw',
      snapshot: undefined,
      writable: access.writable,
      followBacking: false,
    });
    const warnings = [...this.warnings.splice(0), ...chain.warnings];
    const disk = createImageDisk({ ...chain, warnings }, { limits, opening: undefined });
    const { storage } = node;
    const unit = storage instanceof DebugStorage ? storage.writeUnitBytes : 1;
    if (access.writable && disk.sizeBytes % unit !== 0) {
      yield* abandonDisk(disk);
      throw invalid(UNALIGNED_SIZE);
    }
    if (storage instanceof NullStorage) {
      return withPolicies(withoutKept(disk, storage, name!), access);
    }
    return withPolicies(name === 'raw' ? disk : filterOver(disk, storage, name!), access);
  }

  #addName(name: string | undefined): void {
    if (name === undefined) return;
    if (this.#names.has(name)) throw invalid(`Duplicate nodes with node-name='${name}'`);
    this.#names.add(name);
  }

  /** Where the node is opened alone, a description of what lies below is an option like any other. */
  #backingRefusal(options: BlockOptions, isTop: boolean): DiskError | undefined {
    if (isTop && !this.settings.followBacking) return undefined;
    const isGiven = options.takeChild('backing') !== undefined;
    return isGiven ? backingUnsupported() : undefined;
  }

  *#openNode(options: BlockOptions, above: NodeAccess, isTop: boolean): Step<Opened> {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw invalid('The block graph is nested too deeply');
    try {
      const name = options.takeText('driver');
      const driver = (name === undefined ? undefined : findNodeDriver(name)) ?? formatNodeDriver;
      const access = takeNodeOptions(options, above);
      this.#addName(access.nodeName);
      const isFormat = driver === formatNodeDriver;
      if (!isFormat) saysNoBacking(options, this.warnings);
      const node = yield* driver.open({ name, isTop, options, access, opener: this });
      const refusal =
        (isFormat ? undefined : this.#backingRefusal(options, isTop)) ??
        unknownOption(driver.kind, node, { name, options });
      if (refusal === undefined) return { node, name, access };
      yield* abandonNode(node);
      throw refusal;
    } finally {
      this.#depth -= 1;
    }
  }
}

function nameOf(node: OpenedNode, name: string | undefined): string {
  return name ?? ('disk' in node ? node.disk.format : 'file');
}

/** A disk that is the bytes of a node below. */
function filterOver(disk: DiskFile, storage: Storage, name: string): DiskFile {
  return storage instanceof DebugStorage && storage.inner instanceof DiskStorage
    ? new DebugDisk(disk, storage, storage.inner.disk)
    : new DiskFilter(disk, name);
}

function refuseReference({ reference }: ChildOptions): void {
  if (reference === undefined || reference === null) return;
  throw invalid(`Cannot find device='${reference}' nor node-name='${reference}'`);
}

function* abandonNode(node: OpenedNode): Step<void> {
  if ('disk' in node) yield* abandonDisk(node.disk);
  else yield* abandonStorages([node.storage]);
}

/** Undefined where no option is left. */
function unknownOption(
  kind: 'format' | 'protocol',
  node: OpenedNode,
  { name, options }: { name: string | undefined; options: BlockOptions },
): DiskError | undefined {
  const { leftOver } = options;
  if (leftOver === undefined) return undefined;
  const refuses = kind === 'format' ? 'does not' : "doesn't";
  return invalid(
    `Block ${kind} '${nameOf(node, name)}' ${refuses} support the option '${leftOver}'`,
  );
}
