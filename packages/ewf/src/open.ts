/** Opens EWF images. */
import { type OpenContext, refuseSnapshot, type Step } from '@diskfile/core';
import { type AcquisitionSource, readAcquisition } from './acquisition.ts';
import { CompressedChunk } from './chunk-decoders.ts';
import { EwfImage } from './image.ts';

export function* openEwf(context: OpenContext): Step<EwfImage> {
  refuseSnapshot(context, 'ewf', 'An EWF image');
  return yield* openImage(context);
}

export function* openImage(source: AcquisitionSource): Step<EwfImage> {
  const acquisition = yield* readAcquisition(source);
  const inflate = yield* source.decoders.load('deflate-raw');
  return new EwfImage(acquisition, new CompressedChunk(inflate), source.limits);
}
