/** How large a raw disk is to be: just as large as what it holds. */
import { alignUp } from '@diskfile/bytes';
import type { MeasureContext, Measurement, Step } from '@diskfile/core';
import { parseRawOptions } from './create.ts';
import { SECTOR_BYTES } from './raw-size.ts';

// eslint-disable-next-line require-yield
export function* measureRaw({ sizeBytes, options }: MeasureContext): Step<Measurement> {
  parseRawOptions(options);
  const bytes = alignUp(sizeBytes, SECTOR_BYTES);
  return { requiredBytes: bytes, fullyAllocatedBytes: bytes };
}
