/** A storage that answers after a random number of turns, so that requests overtake each other. */
import type { WritableStorage } from '@diskfile/core';
import type { Random } from './random.ts';
import { StorageWrapper } from '@diskfile/storage';

const TURNS = 6;
/** Some reads take long enough for much to happen to what they read. */
const LONG_TURNS = 100;
const LONG_SHARE = 4;

export class SlowStorage extends StorageWrapper {
  readonly #random: Random;

  constructor(inner: WritableStorage, random: Random) {
    super(inner);
    this.#random = random;
  }

  async #wait(most = TURNS): Promise<void> {
    for (let turns = this.#random.below(most); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  override async read(dst: Uint8Array, offset: number): Promise<void> {
    await this.#wait(this.#random.below(LONG_SHARE) === 0 ? LONG_TURNS : TURNS);
    await super.read(dst, offset);
    await this.#wait();
  }

  override async readv(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    await this.#wait();
    await super.readv(buffers, offset);
    await this.#wait();
  }

  override async write(src: Uint8Array, offset: number): Promise<void> {
    await this.#wait();
    await super.write(src, offset);
    await this.#wait();
  }

  override async flush(): Promise<void> {
    await this.#wait();
    await super.flush();
    await this.#wait();
  }

  override async truncate(sizeBytes: number): Promise<void> {
    await this.#wait();
    await super.truncate(sizeBytes);
  }
}
