/** Recognises and opens packed disks. What is inside, raw or an image, is found out by probing. */
import {
  ContainedImage,
  type CreateContext,
  type FormatAbilities,
  type FormatDriver,
  type FormatImage,
  type OpenContext,
  type ProbeInput,
  type Step,
} from '@diskfile/core';
import type { OpenContent } from './content.ts';
import { openGzip } from './gzip/gzip-content.ts';
import { isGzip } from './gzip/member-header.ts';
import { isLz4 } from './lz4/frame-header.ts';
import { openLz4 } from './lz4/lz4-content.ts';
import { isXz } from './xz/stream-index.ts';
import { openXz } from './xz/xz-content.ts';
import { createZstd, openNewZstd } from './zstd/new-zstd.ts';
import { isZstd } from './zstd/signature.ts';
import { openZstd } from './zstd/zstd-content.ts';

const ABILITIES: FormatAbilities = { write: false, backing: 'none', compressed: 'read' };
const DEFLATE = 8;

/** How disks of a kind are made and filled. */
interface PackingWriter {
  create(context: CreateContext): Step<void>;
  open(context: OpenContext): Step<FormatImage>;
}

interface Packing {
  readonly id: string;
  readonly aliases: readonly string[];
  matches(head: Uint8Array): boolean;
  readonly open: OpenContent;
  readonly writer?: PackingWriter;
}

function driverOf({ id, aliases, matches, open, writer }: Packing): FormatDriver {
  return {
    id,
    aliases,
    abilities: writer === undefined ? ABILITIES : { ...ABILITIES, compressed: 'write' },
    ...(writer === undefined ? {} : { create: (context) => writer.create(context) }),
    probe: ({ head }: ProbeInput) => (matches(head) ? 'yes' : 'no'),
    *open(context: OpenContext): Step<FormatImage> {
      if (context.writable && writer !== undefined) return yield* writer.open(context);
      const { storage, details } = yield* open(context);
      const inner = yield* context.openInner(storage);
      const container = { format: id, storage: context.storage, content: storage, details };
      return new ContainedImage(container, inner);
    },
  };
}

export const zstdDriver = driverOf({
  id: 'zstd',
  aliases: ['zst'],
  matches: isZstd,
  open: openZstd,
  writer: { create: createZstd, open: openNewZstd },
});

export const lz4Driver = driverOf({ id: 'lz4', aliases: [], matches: isLz4, open: openLz4 });

export const xzDriver = driverOf({ id: 'xz', aliases: [], matches: isXz, open: openXz });

export const gzipDriver = driverOf({
  id: 'gzip',
  aliases: ['gz'],
  matches: (head) => isGzip(head) && head[2] === DEFLATE,
  open: openGzip,
});
