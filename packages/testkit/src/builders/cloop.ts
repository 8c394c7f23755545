/** Makes cloop images of version 2.0, from the format's description alone. */
import { deflateSync } from 'node:zlib';

/** The content is a number of whole blocks. */
export function buildCloop(content: Uint8Array, blockBytes: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < content.length; at += blockBytes) {
    blocks.push(deflateSync(content.subarray(at, at + blockBytes)));
  }
  const head = Buffer.alloc(136 + (blocks.length + 1) * 8);
  head.write(
    '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n',
  );
  head.writeUInt32BE(blockBytes, 128);
  head.writeUInt32BE(blocks.length, 132);
  let at = head.length;
  for (const [index, block] of [...blocks, Buffer.alloc(0)].entries()) {
    head.writeBigUInt64BE(BigInt(at), 136 + index * 8);
    at += block.length;
  }
  return Buffer.concat([head, ...blocks]);
}
