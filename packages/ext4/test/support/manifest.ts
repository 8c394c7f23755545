/** The images and manifests that `scripts/ext4/make-images.sh` writes; its README describes them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a correct reader sees of one path. A key that is absent is not to be compared. */
export interface ManifestEntry {
  readonly path: string;
  readonly type?: string;
  readonly mode?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly nlink?: number;
  readonly size?: number;
  readonly ino?: number;
  readonly blocks?: number;
  readonly atime_ns?: string;
  readonly mtime_ns?: string;
  readonly ctime_ns?: string;
  readonly crtime_ns?: string;
  readonly rdev?: string;
  readonly target?: string;
  readonly sha256?: string;
  readonly chunks?: readonly (readonly [number, number, string])[];
  readonly data?: readonly (readonly [number, number])[];
  readonly xattrs?: Readonly<Record<string, string>>;
  readonly project?: number;
  readonly encrypted?: boolean;
}

/** What an image is. */
export interface ImageFacts {
  readonly name: string;
  readonly image: string;
  readonly manifest: string;
  readonly expects: 'ok' | 'refuse';
  readonly oracle: string;
  readonly notes: string;
  readonly features: readonly string[];
  readonly uuid: string;
  readonly label: string;
  readonly block_size: number;
  readonly block_count: number;
  readonly dirty?: boolean;
  readonly statfs?: {
    readonly block_size: number;
    readonly blocks: number;
    readonly free_blocks: number;
    readonly available_blocks: number;
    readonly inodes: number;
    readonly free_inodes: number;
    readonly name_length: number;
  };
  readonly journal?: Readonly<Record<string, unknown>>;
  readonly lookups?: readonly (readonly [string, string])[];
}

/** The images of a folder that `make-images.sh` filled. */
export function loadIndex(folder: string): ImageFacts[] {
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
  return (index as { images: ImageFacts[] }).images;
}

export function loadManifest(path: string): ManifestEntry[] {
  return parseManifest(readFileSync(path, 'utf8'));
}

export function parseManifest(text: string): ManifestEntry[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as ManifestEntry);
}
