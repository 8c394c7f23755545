/** Compressed clusters: the decoder, loaded when the first one is met, and extents for the engine. */
import { during, type Storage } from '../storage.ts';
import type { Decoder, DecoderSet } from '../decoder.ts';
import type { Extent } from '../engine/extent.ts';
import type { Step } from '../step.ts';

export class CompressedClusters {
  readonly #decoders: DecoderSet;
  #decoderId: string;
  /** Filled anew for each extent, so that a lookup allocates nothing. */
  readonly #unit: {
    readonly storage: Storage;
    readonly unitLengthBytes: number;
    hostOffset: number;
    encodedLengthBytes: number;
    decoder: Decoder | undefined;
  };

  constructor(storage: Storage, clusterBytes: number, decoders: DecoderSet, decoderId: string) {
    this.#decoders = decoders;
    this.#decoderId = decoderId;
    this.#unit = {
      storage: during(storage, 'read_compressed'),
      unitLengthBytes: clusterBytes,
      hostOffset: 0,
      encodedLengthBytes: 0,
      decoder: undefined,
    };
  }

  /** From now on clusters are of another type; there are none yet. */
  use(decoderId: string): void {
    if (decoderId === this.#decoderId) return;
    this.#decoderId = decoderId;
    this.#unit.decoder = undefined;
  }

  /** Whether the decoder is loaded. */
  get isReady(): boolean {
    return this.#unit.decoder !== undefined;
  }

  *loadDecoder(): Step<void> {
    this.#unit.decoder ??= yield* this.#decoders.load(this.#decoderId);
  }

  /**
   * Fills `extent` with what follows byte `skipBytes` of a cluster. False while the decoder is not
   * loaded.
   */
  fill(
    extent: Extent,
    hostOffset: number,
    encodedLengthBytes: number,
    skipBytes: number,
    lengthBytes: number,
  ): boolean {
    const unit = this.#unit;
    const { decoder } = unit;
    if (decoder === undefined) return false;
    unit.hostOffset = hostOffset;
    unit.encodedLengthBytes = encodedLengthBytes;
    const within = Math.min(lengthBytes, unit.unitLengthBytes - skipBytes);
    extent.setEncoded(unit as typeof unit & { decoder: Decoder }, skipBytes, within);
    return true;
  }
}
