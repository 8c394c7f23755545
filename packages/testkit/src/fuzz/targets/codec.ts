/** Decoders of codec that are its own code: one target for each. */
import { crc32, writeU32le } from '@diskfile/bytes';
import { makeDecoders } from '@diskfile/codec';
import { runSync } from '@diskfile/core';
import { decodeInPieces } from '../exercise/decode-in-pieces.ts';
import { exerciseDecoders, loadDecoders } from '../exercise/decoders.ts';
import { tolerate } from '../exercise/tolerate.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { plainSeed } from '../seed-image.ts';
import { packedSeeds } from '../seeds/image-folder.ts';

const UNIT_BYTES = 16_384;

/** Makes checksums of headers right, so that what they cover is looked at. */
const REPAIRS: Readonly<Record<string, (bytes: Uint8Array) => void>> = { xz: repairXz };

/** Those of the stream's header and of its first block's. */
function repairXz(bytes: Uint8Array): void {
  if (bytes.length < 16) return;
  writeU32le(bytes, 8, crc32(bytes.subarray(6, 8)));
  const crcAt = 12 + bytes[12]! * 4;
  if (crcAt > 12 && crcAt + 4 <= bytes.length) {
    writeU32le(bytes, crcAt, crc32(bytes.subarray(12, crcAt)));
  }
}

/** Streams that each yield {@link UNIT_BYTES} are in the folder of the decoder's name. */
export async function codecTarget(id: string): Promise<FuzzTarget> {
  const decoders = await loadDecoders(id);
  const streams = id === 'xz' ? runSync(makeDecoders().loadStream(id)) : undefined;
  return {
    name: id,
    seeds: () =>
      packedSeeds(id).map(({ name, bytes }) => {
        const repair = REPAIRS[id];
        return { ...plainSeed(name, bytes), ...(repair === undefined ? {} : { repair }) };
      }),
    async run(bytes, choices) {
      await exerciseDecoders(decoders, bytes, UNIT_BYTES);
      await exerciseDecoders(decoders, bytes, Math.floor(choices[0]! * 2 * UNIT_BYTES));
      if (streams !== undefined) {
        await tolerate(() => decodeInPieces(runSync(streams.start()), bytes, choices));
      }
    },
  };
}
