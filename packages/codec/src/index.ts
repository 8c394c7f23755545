/** Compression behind one interface, native where the platform has it and portable where not. */
export { type CodecCapabilities, codecCapabilities } from './capabilities.ts';
export {
  type DecoderId,
  type DecoderImplementation,
  type DecoderOptions,
  makeDecoders,
} from './decoders.ts';
export { type EncoderId, makeEncoders } from './encoders.ts';
export { decoders, encoders } from './shared-sets.ts';
