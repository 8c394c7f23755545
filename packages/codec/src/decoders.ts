/** Which decoder stands behind each id, chosen by what the platform has. */
import { DiskError } from '@diskfile/bytes';
import type { Decoder, DecoderSet, Step, StreamCodec } from '@diskfile/core';
import { NativeInflate, PortableInflate } from './deflate.ts';
import { InflateStreams } from './inflate-stream.ts';
import { OWN_DECODERS, type OwnDecoderId } from './own-decoders.ts';
import { NativeLz4, type NodeLz4, PortableLz4 } from './lz4/lz4.ts';
import { Lz4Streams } from './lz4/lz4-stream.ts';
import {
  hasNodeZlib,
  hasPackage,
  hasZstd,
  loadPackage,
  type NodeZlib,
  nodeZlib,
  requirePackage,
} from './platform.ts';
import { canReuseZlib } from './reused-zlib.ts';
import { ZlibDecoder } from './zlib.ts';
import { NativeZstdFrames, PortableZstdFrames, ZstdDecoder } from './zstd.ts';
import { XzStreams } from './xz/xz-stream.ts';
import { NativeZstdStreams, PortableZstdStreams } from './zstd-engines.ts';
import { loadZstdBinding } from './zstd-binding.ts';

export type DecoderId = 'deflate-raw' | 'lz4' | 'zlib' | 'zstd' | OwnDecoderId;
export type DecoderImplementation = 'node:zlib' | 'pako' | 'zstd-codec' | 'lz4-napi' | 'diskfile';

export interface DecoderOptions {
  /** False to use portable decoders even where the platform has faster ones. */
  readonly native?: boolean;
}

/** One way to decode: its name, and how it is brought up. */
interface Recipe {
  readonly implementation: DecoderImplementation;
  load(): Step<Decoder>;
}

/** Each is made when it is asked for: what only might be needed is not loaded. */
function recipes(native: boolean): Record<DecoderId, () => Recipe> {
  const inflate = (): Recipe => (native && hasNodeZlib() ? nativeInflate : portableInflate);
  return {
    'deflate-raw': inflate,
    zlib: () => ({
      implementation: inflate().implementation,
      *load() {
        return new ZlibDecoder(yield* inflate().load());
      },
    }),
    lz4: () => (native && hasPackage('lz4-napi') ? nativeLz4 : portableLz4),
    zstd: () => zstdRecipe(native ? nodeZlib() : undefined),
    ...OWN_RECIPES,
  };
}

const OWN_RECIPES = Object.fromEntries(
  Object.entries(OWN_DECODERS).map(([id, Own]) => [
    id,
    () =>
      ({
        implementation: 'diskfile',
        // eslint-disable-next-line require-yield
        *load() {
          return new Own();
        },
      }) satisfies Recipe,
  ]),
) as Record<OwnDecoderId, () => Recipe>;

const nativeInflate: Recipe = {
  implementation: 'node:zlib',
  // eslint-disable-next-line require-yield
  *load() {
    return new NativeInflate(() => nodeZlib()!);
  },
};

const portableInflate: Recipe = {
  implementation: 'pako',
  *load() {
    return new PortableInflate(yield* loadPackage('pako', () => import('pako')));
  },
};

const nativeLz4: Recipe = {
  implementation: 'lz4-napi',
  // Native code, which bundlers are not to follow, and which only Node loads.
  // eslint-disable-next-line require-yield
  *load() {
    return new NativeLz4(requirePackage<NodeLz4>('lz4-napi'));
  },
};

const portableLz4: Recipe = {
  implementation: 'diskfile',
  // eslint-disable-next-line require-yield
  *load() {
    return new PortableLz4();
  },
};

function zstdRecipe(zlib: NodeZlib | undefined): Recipe {
  if (!hasZstd(zlib)) return portableZstd;
  return {
    implementation: 'node:zlib',
    // eslint-disable-next-line require-yield
    *load() {
      return new ZstdDecoder(new NativeZstdFrames(zlib));
    },
  };
}

const portableZstd: Recipe = {
  implementation: 'zstd-codec',
  *load() {
    return new ZstdDecoder(new PortableZstdFrames(yield* loadZstdBinding()));
  },
};

/** How decoders for streams are brought up. */
function streamRecipes(native: boolean): Record<string, () => Step<StreamCodec>> {
  return {
    // Node's own zlib tells nothing of where blocks begin.
    *'deflate-raw'() {
      return new InflateStreams(yield* loadPackage('pako', () => import('pako')));
    },
    *lz4() {
      return new Lz4Streams();
    },
    *xz() {
      return new XzStreams();
    },
    *zstd() {
      const zlib = native && canReuseZlib() ? nodeZlib() : undefined;
      return hasZstd(zlib) ? new NativeZstdStreams(zlib) : new PortableZstdStreams();
    },
  };
}

/** Decoders of its own, loaded as they are asked for and then kept. */
export function makeDecoders({ native = true }: DecoderOptions = {}): DecoderSet {
  const known = new Map<string, () => Recipe>(Object.entries(recipes(native)));
  const loaded = new Map<string, Decoder>();
  const knownStreams = new Map(Object.entries(streamRecipes(native)));
  const streams = new Map<string, StreamCodec>();
  return {
    *load(id) {
      const recipe = known.get(id);
      if (recipe === undefined) throw noSuchDecoder(id, [...known.keys()]);
      const decoder = loaded.get(id) ?? (yield* recipe().load());
      loaded.set(id, decoder);
      return decoder;
    },
    *loadStream(id) {
      const load = knownStreams.get(id);
      if (load === undefined) throw noSuchDecoder(id, [...knownStreams.keys()]);
      const codec = streams.get(id) ?? (yield* load());
      streams.set(id, codec);
      return codec;
    },
  };
}

function noSuchDecoder(id: string, known: readonly string[]): DiskError {
  return new DiskError('unsupported', 'codec.unknown', `There is no decoder for ${id}`, {
    hint: `Known compressions: ${known.join(', ')}.`,
  });
}

/** Which implementation is in use for each id. */
export function decoderImplementations(native: boolean): Record<DecoderId, DecoderImplementation> {
  return Object.fromEntries(
    Object.entries(recipes(native)).map(([id, recipe]) => [id, recipe().implementation]),
  ) as Record<DecoderId, DecoderImplementation>;
}
