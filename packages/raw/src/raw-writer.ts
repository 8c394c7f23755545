/** Writing a raw disk: every byte has its place already, and the file can get longer or shorter. */
import { FlatWriter, type ImageResizer, type WritableStorage } from '@diskfile/core';
import { RawResizer } from './raw-resizer.ts';
import type { RawSize } from './raw-size.ts';

export class RawWriter extends FlatWriter {
  readonly resizer: ImageResizer;

  constructor(storage: WritableStorage, size: RawSize) {
    super(storage);
    this.resizer = new RawResizer(storage, size);
  }
}
