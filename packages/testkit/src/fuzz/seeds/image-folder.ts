/** Images that the repository holds. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const TEST_IMAGES = fileURLToPath(new URL('../../../../../test-images/', import.meta.url));
const SEEDS = fileURLToPath(new URL('../../../seeds/', import.meta.url));

export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Images in `test-images` whose name ends in `suffix` and that are at most `maxBytes` long. */
export function testImages(suffix: string, maxBytes: number): NamedBytes[] {
  return readdirSync(TEST_IMAGES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix))
    .toSorted()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(TEST_IMAGES + name)) }))
    .filter(({ bytes }) => bytes.length <= maxBytes);
}

/** The compressed images in a folder of `packages/testkit/seeds`. */
export function packedSeeds(folder: string): NamedBytes[] {
  return readdirSync(SEEDS + folder)
    .filter((name) => name.endsWith('.img.gz'))
    .toSorted()
    .map((name) => ({
      name: name.slice(0, -'.img.gz'.length),
      bytes: new Uint8Array(gunzipSync(readFileSync(`${SEEDS}${folder}/${name}`))),
    }));
}
