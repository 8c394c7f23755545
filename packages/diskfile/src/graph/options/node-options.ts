/** Options that any node takes, whatever its driver. */
import { type BlockOptions, invalid } from './block-options.ts';

/** How the node above wants to use this one; a node's own options narrow it down. */
export interface NodeAccess {
  readonly writable: boolean;
  readonly forceShare: boolean;
  /** Whether a discard reaches the host. */
  readonly discards: boolean;
  /** Whether the host's cache is gone around, as far as QEMU's conditions go. */
  readonly direct?: boolean;
}

export type DetectZeroes = 'off' | 'on' | 'unmap';

export interface NodeOptions extends NodeAccess {
  readonly nodeName: string | undefined;
  /** Whether it may be opened for reading alone where writing is not permitted. */
  readonly autoReadOnly: boolean;
  readonly detectZeroes: DetectZeroes;
}

const MAX_NAME = 31;
const DISCARDS: Readonly<Record<string, boolean>> = {
  ignore: false,
  off: false,
  unmap: true,
  on: true,
};

/** @throws DiskError `invalid-argument`, `read-only` for a node that is to be written and must not */
export function takeNodeOptions(options: BlockOptions, above: NodeAccess): NodeOptions {
  const nodeName = options.takeText('node-name');
  if (nodeName !== undefined && !/^[A-Za-z][A-Za-z0-9\-._]*$/.test(nodeName)) {
    throw invalid(`Invalid node-name: '${nodeName}'`);
  }
  if (nodeName !== undefined && nodeName.length > MAX_NAME) throw invalid('Node name too long');
  const readOnly = options.takeFlag('read-only') ?? !above.writable;
  const autoReadOnly = options.takeFlag('auto-read-only') ?? false;
  const forceShare = options.takeFlag('force-share') ?? above.forceShare;
  // How the host's cache is used makes no difference to what is read and what is safe.
  const direct = options.takeFlag('cache.direct') ?? above.direct ?? false;
  options.takeFlag('cache.no-flush');
  if (forceShare && !readOnly) {
    throw invalid('force-share=on can only be used with read-only images');
  }
  const discard = options.takeText('discard');
  const discards = discard === undefined ? above.discards : DISCARDS[discard];
  if (discards === undefined) throw invalid('Invalid discard option');
  const detectZeroes = options.takeChoice('detect-zeroes', ['off', 'on', 'unmap']) ?? 'off';
  if (detectZeroes === 'unmap' && !discards) {
    throw invalid(
      'setting detect-zeroes to unmap is not allowed without setting discard operation to unmap',
    );
  }
  return {
    writable: !readOnly,
    autoReadOnly,
    forceShare,
    discards,
    direct,
    detectZeroes,
    nodeName,
  };
}
