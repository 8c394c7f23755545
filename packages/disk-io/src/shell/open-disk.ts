/** Opens what commands work on. */
import { checkEncryption, keyFirst } from '@diskfile/command';
import {
  BlockOptions,
  DiskError,
  type DiskFile,
  openGraph,
  parseNameWithOptions,
  type UserObjects,
} from 'diskfile';
import { type CacheMode, DEFAULT_CACHE } from '../program/modes.ts';

/** What is to be opened, and how. */
export interface OpenRequest {
  /** As the user named it; undefined where options alone describe it. */
  readonly name: string | undefined;
  /** Further options, or all of them. */
  readonly options: BlockOptions;
  readonly writable: boolean;
  readonly forceShare: boolean;
  readonly cache: CacheMode;
  /** Whether discards reach the image. */
  readonly discards: boolean;
  readonly copyOnRead: boolean;
  /** Whether to keep what is written apart and forget it. */
  readonly temporary: boolean;
  /** Whether the kernel is to read and write by itself; here it only has conditions. */
  readonly nativeAio: boolean;
}

export const DEFAULT_REQUEST: OpenRequest = {
  name: undefined,
  options: new BlockOptions(),
  writable: true,
  forceShare: false,
  cache: DEFAULT_CACHE,
  discards: true,
  copyOnRead: false,
  temporary: false,
  nativeAio: false,
};

/**
 * Opens the disk. What its images name is opened wherever it lies, as qemu-io does: a script that
 * has made an overlay expects to work on it.
 * @throws DiskError
 */
export async function openDisk(request: OpenRequest, objects: UserObjects): Promise<DiskFile> {
  if (request.nativeAio && !request.cache.direct) {
    throw new DiskError(
      'invalid-argument',
      'graph.aio',
      'aio=native was specified, but it requires cache.direct=on, which was not specified.',
    );
  }
  const { writable, forceShare, copyOnRead, temporary, discards } = request;
  const graph = graphOf(request);
  if (writable && graph.copy().takeFlag('read-only') === true) {
    throw new DiskError('invalid-argument', 'graph.read-only', 'Block node is read-only');
  }
  if (copyOnRead && !writable) {
    throw new DiskError(
      'invalid-argument',
      'graph.read-only',
      "Can't use copy-on-read on read-only device",
    );
  }
  const isKeyless = graph.copy().takeText('key-secret') === undefined;
  let disk: DiskFile;
  try {
    disk = await openGraph(graph, {
      readOnly: !writable,
      forceShare,
      discards,
      temporary,
      copyOnRead,
      objects,
      gate: { allow: 'any' },
      asQemu: true,
    });
  } catch (error) {
    throw isKeyless ? keyFirst(error) : error;
  }
  try {
    checkEncryption(disk.info().slice(temporary ? 1 : 0), true);
  } catch (error) {
    await disk.close();
    throw error;
  }
  return disk;
}

/** A name together with options: these say what else there is to say of the node. */
function graphOf({ name, options, cache }: OpenRequest): BlockOptions {
  const graph = name === undefined ? options.copy() : parseNameWithOptions(name, options);
  if (cache.direct && !graph.has('cache.direct')) graph.set('cache.direct', true);
  return graph;
}
