/** Headers of one version made from those of the other, and with other options. */
import { encodeName } from '@diskfile/bytes';
import { AUTOCLEAR, COMPATIBLE, type FeatureBits } from '../header/features.ts';
import type { HeaderContent } from '../header/header-content.ts';
import { compressionField } from '../header/header-encoder.ts';
import { EXTENSION_TYPE } from '../header/header-extensions.ts';
import { withExtension, withFeatures } from '../header/header-forms.ts';

const TWO_32 = 0x1_0000_0000;
/** 16 bits, the width that version 2 has. */
const REFCOUNT_ORDER = 4;

/** Version 3 without any of its features. */
export function asVersion3(content: HeaderContent): HeaderContent {
  return {
    ...content,
    fields: { ...content.fields, version: 3 },
    versionFields: {
      incompatible_features_high: 0,
      incompatible_features_low: 0,
      compatible_features_high: 0,
      compatible_features_low: 0,
      autoclear_features_high: 0,
      autoclear_features_low: 0,
      refcount_order: REFCOUNT_ORDER,
    },
    moreFields: compressionField('zlib'),
  };
}

/** Version 2; nothing that the image consists of is beyond it. */
export function asVersion2(content: HeaderContent): HeaderContent {
  return {
    // Bitmaps that it may have were found to be out of date before: there are none left.
    ...withExtension(content, EXTENSION_TYPE.bitmaps, undefined),
    fields: { ...content.fields, version: 2 },
    versionFields: undefined,
    moreFields: new Uint8Array(0),
  };
}

export function withSnapshotTable(content: HeaderContent, hostOffset: number): HeaderContent {
  const place = {
    snapshots_offset_high: Math.floor(hostOffset / TWO_32),
    snapshots_offset_low: hostOffset % TWO_32,
  };
  return { ...content, fields: { ...content.fields, ...place } };
}

/** @param features those that the header has now */
export function withOptions(
  content: HeaderContent,
  features: FeatureBits,
  options: {
    readonly lazyRefcounts: boolean;
    readonly dataFileRaw: boolean;
    readonly dataFileName: string | undefined;
  },
): HeaderContent {
  const { lazyRefcounts, dataFileRaw, dataFileName } = options;
  const compatible = toggled(features.compatible, COMPATIBLE.lazyRefcounts, lazyRefcounts);
  const autoclear = toggled(features.autoclear, AUTOCLEAR.rawExternalData, dataFileRaw);
  const changed = withFeatures(
    withFeatures(content, 'compatible', compatible),
    'autoclear',
    autoclear,
  );
  if (dataFileName === undefined) return changed;
  // Without a name, whoever opens the image says where the file is.
  const name = dataFileName === '' ? undefined : encodeName(dataFileName);
  return withExtension(changed, EXTENSION_TYPE.dataFileName, name);
}

function toggled(bits: ReadonlySet<number>, bit: number, on: boolean): ReadonlySet<number> {
  const changed = new Set(bits);
  if (on) changed.add(bit);
  else changed.delete(bit);
  return changed;
}
