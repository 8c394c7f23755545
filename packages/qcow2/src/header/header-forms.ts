/** Headers made of others: with other features and extensions, and as QEMU would write them. */
import { DiskError } from '@diskfile/bytes';
import { encodeFeatureNames, type FeatureKind, featureWord } from './features.ts';
import type { HeaderContent, HeaderExtension } from './header-content.ts';
import { EXTENSION_TYPE } from './header-extensions.ts';

/** Small headers do without the feature names, so that other things find room. */
export const FEATURE_NAMES_ABOVE_CLUSTER_BYTES = 4096;

/** A header of version 3 with all feature bits of one kind replaced. */
export function withFeatures(
  content: HeaderContent,
  kind: FeatureKind,
  bits: ReadonlySet<number>,
): HeaderContent {
  const { versionFields } = content;
  if (versionFields === undefined) throw new Error('assertion failed: version 2 has no features');
  const halves = {
    [`${kind}_features_high`]: featureWord(bits, 32),
    [`${kind}_features_low`]: featureWord(bits, 0),
  };
  return { ...content, versionFields: { ...versionFields, ...halves } };
}

/**
 * Feature names are for people only. Where they push other extensions out of the first sector, and
 * those change, they make room at first.
 */
export function withoutFeatureNames(content: HeaderContent): HeaderContent {
  const extensions = content.extensions.filter(({ type }) => type !== EXTENSION_TYPE.featureNames);
  return { ...content, extensions };
}

/** Order in which QEMU writes the extensions that it knows; all others follow. */
const EXTENSION_ORDER: readonly number[] = [
  EXTENSION_TYPE.backingFormat,
  EXTENSION_TYPE.dataFileName,
  EXTENSION_TYPE.encryptionHeader,
  EXTENSION_TYPE.featureNames,
  EXTENSION_TYPE.bitmaps,
];

/** A header with one extension set, replaced, or left out when `data` is undefined. */
export function withExtension(
  content: HeaderContent,
  type: number,
  data: Uint8Array | undefined,
): HeaderContent {
  const others = content.extensions.filter((extension) => extension.type !== type);
  const all = data === undefined ? others : [...others, { type, data }];
  const rank = ({ type: ofType }: HeaderExtension) => {
    const index = EXTENSION_ORDER.indexOf(ofType);
    return index === -1 ? EXTENSION_ORDER.length : index;
  };
  return { ...content, extensions: all.toSorted((a, b) => rank(a) - rank(b)) };
}

/** A header with the feature names that QEMU gives whatever it writes as a whole. */
export function asRewritten(content: HeaderContent, clusterBytes: number): HeaderContent {
  const isNamed =
    content.versionFields !== undefined && clusterBytes > FEATURE_NAMES_ABOVE_CLUSTER_BYTES;
  return withExtension(
    content,
    EXTENSION_TYPE.featureNames,
    isNamed ? encodeFeatureNames() : undefined,
  );
}

export function withUnknownReversed(content: HeaderContent): HeaderContent {
  const isKnown = ({ type }: HeaderExtension) => EXTENSION_ORDER.includes(type);
  const known = content.extensions.filter(isKnown);
  const unknown = content.extensions.filter((extension) => !isKnown(extension));
  return { ...content, extensions: [...known, ...unknown.toReversed()] };
}

/** The refusal of names that find no room. */
export function namesTooLong(clusterBytes: number, detail = 'qcow2.names-too-long'): DiskError {
  return new DiskError(
    'invalid-argument',
    detail,
    `The names of backing and data file do not fit into a header of ${clusterBytes} bytes`,
    { format: 'qcow2', hint: 'Choose shorter names, or an image with larger clusters.' },
  );
}
