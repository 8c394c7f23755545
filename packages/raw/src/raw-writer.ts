/** Writing a raw disk: every byte has its place already, and the file can get longer or shorter. */
import {
  FlatResizer,
  type FlatSize,
  FlatWriter,
  type ImageResizer,
  type WritableStorage,
} from '@diskfile/core';

export class RawWriter extends FlatWriter {
  readonly resizer: ImageResizer;

  constructor(storage: WritableStorage, size: FlatSize) {
    super(storage);
    this.resizer = new FlatResizer(storage, size, { endsAnywhere: true });
  }
}
