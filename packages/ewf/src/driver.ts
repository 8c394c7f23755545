/** Recognises, opens and verifies EWF images. */
import { type FormatDriver, type OpenContext, refuseSnapshot, type Step } from '@diskfile/core';
import { type AcquisitionSource, readAcquisition } from './acquisition.ts';
import { checkEwf } from './check.ts';
import { CompressedChunk } from './chunk-decoders.ts';
import { EwfImage } from './image.ts';
import { isEwf } from './signatures.ts';

export const ewfDriver: FormatDriver = {
  id: 'ewf',
  aliases: ['e01'],
  abilities: { write: false, backing: 'none', compressed: 'read' },
  probe: ({ head }) => (isEwf(head) ? 'yes' : 'no'),
  open: openEwf,
  check: (context) => checkEwf(context, openImage),
};

function* openEwf(context: OpenContext): Step<EwfImage> {
  refuseSnapshot(context, 'ewf', 'An EWF image');
  return yield* openImage(context);
}

function* openImage(source: AcquisitionSource): Step<EwfImage> {
  const acquisition = yield* readAcquisition(source);
  const inflate = yield* source.decoders.load('deflate-raw');
  return new EwfImage(acquisition, new CompressedChunk(inflate), source.limits);
}
