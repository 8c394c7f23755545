/** Decoders of both kinds, and what they make of a stream. */
import { DiskError } from '@diskfile/bytes';
import { type Decoder, runAsync, runSync } from '@diskfile/core';
import { type DecoderId, makeDecoders } from '../../src/index.ts';

/** Every decoder for an id, under the name of how it was chosen and loaded. */
export async function everyDecoder(id: DecoderId): Promise<[string, Decoder][]> {
  return [
    ['native', runSync(makeDecoders().load(id))],
    ['portable', runSync(makeDecoders({ native: false }).load(id))],
    ['portable, loaded asynchronously', await runAsync(makeDecoders({ native: false }).load(id))],
  ];
}

/** The decoded bytes, or the error. Anything but a {@link DiskError} is thrown. */
export function outcome(
  decoder: Decoder,
  encoded: Uint8Array,
  lengthBytes: number,
): Uint8Array | DiskError {
  const dst = new Uint8Array(lengthBytes).fill(0xa5);
  try {
    decoder.decodeSync(encoded, dst);
    return dst;
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}

export async function outcomeAsync(
  decoder: Decoder,
  encoded: Uint8Array,
  lengthBytes: number,
): Promise<Uint8Array | DiskError> {
  const dst = new Uint8Array(lengthBytes).fill(0xa5);
  try {
    await decoder.decode(encoded, dst);
    return dst;
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}

/** Hexadecimal of bytes, `code detail` of an error: two outcomes compared at a glance. */
export function summary(result: Uint8Array | DiskError): string {
  if (result instanceof DiskError) return `${result.code} ${result.detail}`;
  return Buffer.from(result).toString('hex');
}
