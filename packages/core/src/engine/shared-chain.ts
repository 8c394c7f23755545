/** A chain of images that several handles share, and what moves its bytes. */
import { DiskError } from '@diskfile/bytes';
import type { EncoderSet } from '../encoder.ts';
import type { Limits } from '../limits.ts';
import type { ImageChain } from '../open/open-chain.ts';
import type { Step } from '../step.ts';
import { BehindDisk } from './behind-disk.ts';
import { MappedReader } from './mapped-reader.ts';
import { MappedWriter } from './mapped-writer.ts';

export interface SharedChainOptions {
  readonly limits: Limits;
  /** What compressed writes are made with; there are none without. */
  readonly encoders?: EncoderSet;
}

/** What the handles on one disk have in common. */
export class SharedChain {
  readonly chain: ImageChain;
  readonly reader: MappedReader;
  /** There when the top image was opened for writing. */
  readonly writer: MappedWriter | undefined;
  readonly behindDisk: BehindDisk;
  #handles = 0;

  constructor(chain: ImageChain, { limits, encoders }: SharedChainOptions) {
    this.chain = chain;
    const files = chain.layers.map(({ storages }) => storages[0]!);
    this.reader = new MappedReader(chain.layers, limits, files);
    const [top] = chain.layers;
    this.behindDisk = new BehindDisk(top!, limits);
    this.writer = top!.writer && new MappedWriter(top!, top!.writer, this.reader, encoders);
  }

  get handles(): number {
    return this.#handles;
  }

  retain(): this {
    this.#handles += 1;
    return this;
  }

  /** True for the last handle, which has to close the storages. */
  release(): boolean {
    this.#handles -= 1;
    return this.#handles === 0;
  }

  /** Keeps space that is freed in the meantime from being used for something else. */
  *reading<T>(body: () => Step<T>): Step<T> {
    const { writer } = this;
    const epoch = writer?.epochs.begin();
    try {
      return yield* body();
    } finally {
      if (epoch !== undefined) writer!.epochs.end(epoch);
    }
  }

  /** Lets the format mark an image that a request has found to be damaged. */
  *noteDamage(error: unknown): Step<void> {
    if (!(error instanceof DiskError) || error.code !== 'corrupt') return;
    const { writer, chain } = this;
    if (writer === undefined || chain.layers[0]!.writer!.noteDamage === undefined) return;
    try {
      yield* writer.changeStep(
        (image) => image,
        (image) => image.noteDamage!(error),
      );
    } catch (failure) {
      // What was found counts, not that it could not be noted.
      if (!(failure instanceof DiskError)) throw failure;
    }
  }
}
