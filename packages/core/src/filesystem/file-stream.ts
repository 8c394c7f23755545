/** A file as a web stream. */
import { checkOptions } from '../arguments.ts';
import type { FileHandle } from './file-handle.ts';

/** Bytes that a stream reads at a time. */
const STREAM_CHUNK_BYTES = 512 * 1024;

export interface ReadStreamOptions {
  /** First byte; default 0. */
  readonly start?: number;
  /** Last byte, itself included, as Node's file streams have it; default the end of the file. */
  readonly end?: number;
}

/** @param open is called when the first bytes are wanted */
export function fileStream(
  open: () => Promise<FileHandle>,
  options: ReadStreamOptions,
): ReadableStream<Uint8Array> {
  let handle: FileHandle | undefined;
  checkOptions('createReadStream', options, { start: 'count', end: 'number' });
  let offset = options.start ?? 0;
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        handle ??= await open();
        const end = Math.min((options.end ?? Infinity) + 1, handle.sizeBytes);
        const chunk = new Uint8Array(Math.max(0, Math.min(STREAM_CHUNK_BYTES, end - offset)));
        if (chunk.length === 0) return controller.close();
        await handle.read(chunk, offset);
        offset += chunk.length;
        controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
}
