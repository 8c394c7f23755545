/** Feature bits of the header, and their names (specification, "Header" and "Feature name table"). */
import { decodeFixedText, DiskError, setBits, powerOfTwo, testBit } from '@diskfile/bytes';
import { featureName } from '../structs.ts';

export type FeatureKind = 'incompatible' | 'compatible' | 'autoclear';

/** Numbers of the bits that are set, of each kind. */
export type FeatureBits = Readonly<Record<FeatureKind, ReadonlySet<number>>>;

export const INCOMPATIBLE = {
  dirty: 0,
  corrupt: 1,
  externalDataFile: 2,
  compressionType: 3,
  extendedL2: 4,
} as const;
export const COMPATIBLE = { lazyRefcounts: 0 } as const;
export const AUTOCLEAR = { bitmaps: 0, rawExternalData: 1 } as const;

const KNOWN_NAMES: Readonly<Record<FeatureKind, readonly string[]>> = {
  incompatible: [
    'dirty bit',
    'corrupt bit',
    'external data file',
    'compression type',
    'extended L2 entries',
  ],
  compatible: ['lazy refcounts'],
  autoclear: ['bitmaps', 'raw external data'],
};
const FEATURE_NAME_BYTES = 46;
/** Order of the `type` values in the feature name table. */
const KINDS: readonly FeatureKind[] = ['incompatible', 'compatible', 'autoclear'];

/** The numbers of the bits that are set in a 64-bit field given as two halves. */
export function featureBits(high: number, low: number): ReadonlySet<number> {
  const bits = new Set<number>();
  for (let bit = 0; bit < 64; bit++) {
    if (testBit(bit < 32 ? low : high, bit % 32)) bits.add(bit);
  }
  return bits;
}

/** 32 bits of a set of bit numbers, from bit `first` on. */
export function featureWord(bits: ReadonlySet<number>, first: 0 | 32): number {
  let word = 0;
  for (const bit of bits) {
    if (bit >= first && bit < first + 32) word = setBits(word, powerOfTwo(bit - first));
  }
  return word;
}

/** The data of the header extension that names all features known here. */
export function encodeFeatureNames(): Uint8Array {
  const entries = KINDS.flatMap((kind, type) =>
    KNOWN_NAMES[kind].map((name, bit) => ({ type, bit, name: new TextEncoder().encode(name) })),
  );
  const table = new Uint8Array(entries.length * featureName.spanBytes);
  for (const [index, { type, bit, name }] of entries.entries()) {
    const padded = new Uint8Array(FEATURE_NAME_BYTES);
    padded.set(name);
    featureName.encode({ type, bit, name: padded }, table, index * featureName.spanBytes);
  }
  return table;
}

/** What the image itself calls its features. */
export class FeatureNames {
  readonly #names = new Map<string, string>();

  /** Decodes the data of the header extension; a cut last entry is left out. */
  static decode(table: Uint8Array): FeatureNames {
    const names = new FeatureNames();
    for (let at = 0; at + featureName.spanBytes <= table.length; at += featureName.spanBytes) {
      const { type, bit, name } = featureName.decode(table, at);
      const kind = KINDS[type];
      if (kind !== undefined) names.#names.set(`${kind} ${bit}`, decodeFixedText(name));
    }
    return names;
  }

  /** Our own name for features that we know, else the image's, else the number. */
  nameOf(kind: FeatureKind, bit: number): string {
    return KNOWN_NAMES[kind][bit] ?? this.#names.get(`${kind} ${bit}`) ?? `unknown bit ${bit}`;
  }

  namesOf(kind: FeatureKind, bits: ReadonlySet<number>): string[] {
    return [...bits].map((bit) => this.nameOf(kind, bit));
  }
}

/** @throws DiskError `unsupported` for incompatible features that nobody here knows. */
export function refuseUnknownFeatures(features: FeatureBits, names: FeatureNames): void {
  const known = KNOWN_NAMES.incompatible.length;
  const unknown = [...features.incompatible].filter((bit) => bit >= known);
  if (unknown.length === 0) return;
  const list = unknown.map((bit) => `${JSON.stringify(names.nameOf('incompatible', bit))}`);
  throw new DiskError(
    'unsupported',
    'qcow2.incompatible-feature',
    `The image needs features that are not known here: ${list.join(', ')}`,
    { offset: 72, hint: 'Convert it with the program that wrote it to an image without them.' },
  );
}
