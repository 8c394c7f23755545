/** The committed images of `test/images`, unpacked into memory. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type ImageFacts, type ManifestEntry, parseManifest } from './manifest.ts';

const FOLDER = join(import.meta.dirname, '..', 'images');

export const SMALL_IMAGES = [
  'block-map',
  'extents',
  'journal',
  'journal-data',
  'fast-commit',
] as const;

export type SmallImageName = (typeof SMALL_IMAGES)[number];

export interface SmallImage {
  readonly facts: ImageFacts;
  readonly manifest: readonly ManifestEntry[];
  /** Fresh bytes that a test may change. */
  bytes(): Uint8Array;
}

const unpacked = new Map<string, Uint8Array>();

export function smallImage(name: SmallImageName): SmallImage {
  const unpack = (file: string): Uint8Array => gunzipSync(readFileSync(join(FOLDER, file)));
  const image = unpacked.get(name) ?? unpack(`${name}.img.gz`);
  unpacked.set(name, image);
  return {
    facts: JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as ImageFacts,
    manifest: parseManifest(new TextDecoder().decode(unpack(`${name}.jsonl.gz`))),
    bytes: () => new Uint8Array(image),
  };
}
