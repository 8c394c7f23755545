/** How guest bytes become encoded units. The engine calls encoders; `codec` provides them. */
import type { Step } from './step.ts';

export interface Encoder {
  /** As the {@link Decoder} that reads what it makes. */
  readonly id: string;
  /**
   * Encodes all of `src`, at least one byte, to the start of `dst`.
   * @returns how long the encoded form is, always less than `dst`; undefined when it is not, the
   *   content of `dst` is undefined then
   */
  encodeSync(src: Uint8Array, dst: Uint8Array): number | undefined;
  encode(src: Uint8Array, dst: Uint8Array): Promise<number | undefined>;
}

/** Finds encoders by id; loading one may take time, using it does not. */
export interface EncoderSet {
  /**
   * @param level how much effort goes into smaller output; each encoder has its own scale and
   *   default
   * @throws DiskError `unsupported` when there is no such encoder, `invalid-argument` for a level
   *   that it does not have
   */
  load(id: string, level?: number): Step<Encoder>;
}
