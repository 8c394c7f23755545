/** What stands behind the codecs here. */
import {
  type DecoderId,
  type DecoderImplementation,
  decoderImplementations,
  type DecoderOptions,
} from './decoders.ts';
import { type EncoderId, encoderImplementations } from './encoders.ts';

export interface CodecCapabilities {
  readonly decoders: Readonly<Record<DecoderId, DecoderImplementation>>;
  readonly encoders: Readonly<Record<EncoderId, DecoderImplementation>>;
}

/** Which implementation is in use for each id. */
export function codecCapabilities({ native = true }: DecoderOptions = {}): CodecCapabilities {
  return { decoders: decoderImplementations(native), encoders: encoderImplementations(native) };
}
