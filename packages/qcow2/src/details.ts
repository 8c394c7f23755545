/** What there is to tell about a qcow2 image; all of it can become JSON. */
import type { FormatDetails } from '@diskfile/core';
import type { ImageEncryption } from './encryption.ts';
import { AUTOCLEAR, INCOMPATIBLE } from './header/features.ts';
import type { HeaderExtensions } from './header/header-extensions.ts';
import type { Qcow2Header } from './header/header.ts';

export interface Qcow2Details extends FormatDetails {
  /** `0.10` for version 2, `1.1` for version 3: QEMU's words. */
  readonly compat: '0.10' | '1.1';
  readonly compressionType: 'zlib' | 'zstd';
  readonly refcountBits: number;
  readonly lazyRefcounts: boolean;
  readonly dirty: boolean;
  readonly corrupt: boolean;
  readonly extendedL2: boolean;
  /** Name of the external data file; undefined without one. */
  readonly dataFile?: string;
  readonly dataFileRaw: boolean;
  /** How it is encrypted; of LUKS, what its header says. */
  readonly encryption?: FormatDetails;
  /** Names of the features that the header sets. */
  readonly features: {
    readonly incompatible: readonly string[];
    readonly compatible: readonly string[];
    readonly autoclear: readonly string[];
  };
  readonly unknownHeaderExtensions: readonly {
    readonly type: string;
    readonly lengthBytes: number;
  }[];
  /** Id of the snapshot that was opened in place of the active state. */
  readonly openedSnapshot?: string;
}

export function describeImage(
  header: Qcow2Header,
  extensions: HeaderExtensions,
  encryption: ImageEncryption | undefined,
  openedSnapshot: string | undefined,
): Qcow2Details {
  const { features } = header;
  const { featureNames, dataFileName } = extensions;
  const external = features.incompatible.has(INCOMPATIBLE.externalDataFile);
  return {
    compat: header.version === 2 ? '0.10' : '1.1',
    compressionType: header.compressionType,
    refcountBits: header.refcountBits,
    lazyRefcounts: header.lazyRefcounts,
    dirty: features.incompatible.has(INCOMPATIBLE.dirty),
    corrupt: features.incompatible.has(INCOMPATIBLE.corrupt),
    extendedL2: header.extendedL2,
    ...(external && dataFileName !== undefined ? { dataFile: dataFileName } : {}),
    dataFileRaw: features.autoclear.has(AUTOCLEAR.rawExternalData),
    ...(encryption === undefined ? {} : { encryption: encryption.describe() }),
    features: {
      incompatible: featureNames.namesOf('incompatible', features.incompatible),
      compatible: featureNames.namesOf('compatible', features.compatible),
      autoclear: featureNames.namesOf('autoclear', features.autoclear),
    },
    unknownHeaderExtensions: extensions.unknown.map(({ type, lengthBytes }) => ({
      type: `0x${type.toString(16).padStart(8, '0')}`,
      lengthBytes,
    })),
    ...(openedSnapshot === undefined ? {} : { openedSnapshot }),
  };
}
