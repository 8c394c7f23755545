/** How large a LUKS disk is to be: its header, and room for all that is encrypted. */
import type { MeasureContext, Measurement, Step } from '@diskfile/core';
import { luksHeaderBytes, parseLuksOptions } from '@diskfile/crypto';
import { luksOptionsOf } from './create.ts';

// eslint-disable-next-line require-yield
export function* measureLuks({ sizeBytes, options }: MeasureContext): Step<Measurement> {
  const { keyBytes } = parseLuksOptions(luksOptionsOf(options).own);
  const bytes = luksHeaderBytes(keyBytes) + sizeBytes;
  return { requiredBytes: bytes, fullyAllocatedBytes: bytes };
}
