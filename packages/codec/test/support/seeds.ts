/** Streams of genuine encoders, which the fuzzer starts from, too. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const SEEDS = fileURLToPath(new URL('../../../testkit/seeds/', import.meta.url));
/** What each of them yields. */
export const SEED_BYTES = 16_384;

export function seed(id: string, name: string): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(`${SEEDS}${id}/${name}.img.gz`)));
}

export function seeds(id: string): [string, Uint8Array][] {
  return readdirSync(SEEDS + id)
    .map((file) => file.slice(0, -'.img.gz'.length))
    .map((name) => [name, seed(id, name)]);
}
