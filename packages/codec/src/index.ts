/** Decompression behind one interface, native where the platform has it and portable where not. */
export {
  codecCapabilities,
  type DecoderId,
  type DecoderImplementation,
  type DecoderOptions,
  decoders,
  makeDecoders,
} from './decoders.ts';
