/** Decoders that are code of this package: no package has them, or none that would do. */
import type { Decoder } from '@diskfile/core';
import { AdcDecoder } from './adc/adc.ts';
import { Bzip2Decoder } from './bzip2/bzip2.ts';
import { LzfseDecoder } from './lzfse/lzfse.ts';
import { XzDecoder } from './xz/xz.ts';

export type OwnDecoderId = 'adc' | 'bzip2' | 'lzfse' | 'xz';

export const OWN_DECODERS: Readonly<Record<OwnDecoderId, new () => Decoder>> = {
  adc: AdcDecoder,
  bzip2: Bzip2Decoder,
  lzfse: LzfseDecoder,
  xz: XzDecoder,
};
