/** Decoders that are code of this package: no package has them, or none that would do. */
import type { Decoder } from '@diskfile/core';
import { Bzip2Decoder } from './bzip2/bzip2.ts';
import { XzDecoder } from './xz/xz.ts';

export type OwnDecoderId = 'bzip2' | 'xz';

export const OWN_DECODERS: Readonly<Record<OwnDecoderId, new () => Decoder>> = {
  bzip2: Bzip2Decoder,
  xz: XzDecoder,
};
