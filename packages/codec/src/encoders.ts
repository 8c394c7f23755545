/** Which encoder stands behind each id, chosen by what the platform has. */
import { DiskError } from '@diskfile/bytes';
import type { Encoder, EncoderSet, Step } from '@diskfile/core';
import {
  DEFLATE_RAW,
  type DeflateKind,
  nativeDeflate,
  PortableDeflate,
  ZLIB,
} from './deflate-encoder.ts';
import type { DecoderImplementation, DecoderOptions } from './decoders.ts';
import { hasZstd, loadPackage, type NodeZlib, nodeZlib } from './platform.ts';
import { loadZstdBinding } from './zstd-binding.ts';
import { CheckedZstd, DEFAULT_ZSTD_LEVEL, nativeZstd, PortableZstd } from './zstd-encoder.ts';

/**
 * What `deflate-raw` decodes may also stand within a `zlib` stream; `zstd-checked` makes frames of
 * zstd that end in a checksum of their content.
 */
export type EncoderId = 'deflate-raw' | 'zlib' | 'zstd' | 'zstd-checked';

/** One way to encode: its name, its levels, and how it is brought up. */
interface Recipe {
  readonly implementation: DecoderImplementation;
  readonly defaultLevel: number;
  readonly maxLevel: number;
  load(level: number): Step<Encoder>;
}

/** Each is made when it is asked for: what only might be needed is not loaded. */
function recipes(native: boolean): Record<EncoderId, () => Recipe> {
  const zlib = (): NodeZlib | undefined => (native ? nodeZlib() : undefined);
  return {
    'deflate-raw': () => deflateRecipe(zlib(), DEFLATE_RAW),
    zlib: () => deflateRecipe(zlib(), ZLIB),
    zstd: () => zstdRecipe(zlib(), false),
    'zstd-checked': () => zstdRecipe(zlib(), true),
  };
}

function deflateRecipe(zlib: NodeZlib | undefined, kind: DeflateKind): Recipe {
  return {
    implementation: zlib === undefined ? 'pako' : 'node:zlib',
    defaultLevel: kind.defaultLevel,
    maxLevel: 9,
    *load(level) {
      if (zlib !== undefined) return nativeDeflate(zlib, kind, level);
      const pako = yield* loadPackage('pako', () => import('pako'));
      return new PortableDeflate(pako, kind, level);
    },
  };
}

function zstdRecipe(zlib: NodeZlib | undefined, checked: boolean): Recipe {
  if (hasZstd(zlib)) {
    return {
      implementation: 'node:zlib',
      defaultLevel: DEFAULT_ZSTD_LEVEL,
      maxLevel: 22,
      // eslint-disable-next-line require-yield
      *load(level) {
        return nativeZstd(zlib, { level, checked });
      },
    };
  }
  return {
    implementation: 'zstd-codec',
    defaultLevel: DEFAULT_ZSTD_LEVEL,
    // Beyond it the largest units take more memory than the WebAssembly instance has.
    maxLevel: 9,
    *load(level) {
      const encoder = new PortableZstd(yield* loadZstdBinding(), level);
      return checked ? new CheckedZstd(encoder) : encoder;
    },
  };
}

/** Encoders of its own, loaded as they are asked for and then kept. */
export function makeEncoders({ native = true }: DecoderOptions = {}): EncoderSet {
  const known = new Map<string, () => Recipe>(Object.entries(recipes(native)));
  const loaded = new Map<string, Encoder>();
  return {
    *load(id, chosenLevel) {
      const make = known.get(id);
      if (make === undefined) throw noSuchEncoder(id, [...known.keys()]);
      const recipe = make();
      const level = chosenLevel ?? recipe.defaultLevel;
      if (!Number.isInteger(level) || level < 1 || level > recipe.maxLevel) {
        throw noSuchLevel(id, level, recipe.maxLevel);
      }
      const key = `${id} ${level}`;
      const encoder = loaded.get(key) ?? (yield* recipe.load(level));
      loaded.set(key, encoder);
      return encoder;
    },
  };
}

function noSuchEncoder(id: string, known: readonly string[]): DiskError {
  return new DiskError('unsupported', 'codec.unknown', `There is no encoder for ${id}`, {
    hint: `Known compressions: ${known.join(', ')}.`,
  });
}

function noSuchLevel(id: string, level: number, maxLevel: number): DiskError {
  return new DiskError(
    'invalid-argument',
    'codec.level',
    `There is no level ${String(level)} of ${id}`,
    { hint: `Here the levels are whole numbers from 1 to ${maxLevel}.` },
  );
}

/** Which implementation is in use for each id. */
export function encoderImplementations(native: boolean): Record<EncoderId, DecoderImplementation> {
  return Object.fromEntries(
    Object.entries(recipes(native)).map(([id, recipe]) => [id, recipe().implementation]),
  ) as Record<EncoderId, DecoderImplementation>;
}
