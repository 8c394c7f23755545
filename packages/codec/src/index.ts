/** Compression behind one interface, native where the platform has it and portable where not. */
export { type CodecCapabilities, codecCapabilities } from './capabilities.ts';
export {
  type DecoderId,
  type DecoderImplementation,
  type DecoderOptions,
  decoders,
  makeDecoders,
} from './decoders.ts';
export { type EncoderId, encoders, makeEncoders } from './encoders.ts';
