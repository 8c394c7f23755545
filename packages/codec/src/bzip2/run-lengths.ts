/** The run-length encoding that bzip2 applies first: after four equal bytes, how many more follow. */
import { brokenBzip2 } from './broken-bzip2.ts';
import type { Block } from './block.ts';

const RUN_BYTES = 4;

/** Writes what a block stands for to `dst` from `start` on. Returns where it ends. */
export function expandRuns(block: Block, dst: Uint8Array, start: number): number {
  const { links, lengthBytes } = block;
  let place = block.first;
  let at = start;
  let previous = -1;
  let equal = 0;
  for (let index = 0; index < lengthBytes; index++) {
    const link = links[place]!;
    place = link >>> 8;
    const byte = link & 0xff;
    if (equal === RUN_BYTES) {
      if (byte > dst.length - at) throw tooLong();
      dst.fill(previous, at, at + byte);
      at += byte;
      equal = 0;
      previous = -1;
      continue;
    }
    if (at === dst.length) throw tooLong();
    dst[at++] = byte;
    equal = byte === previous ? equal + 1 : 1;
    previous = byte;
  }
  return at;
}

function tooLong(): Error {
  return brokenBzip2('it yields more bytes than it should');
}
