/**
 * The header cluster as data: fields, extensions and the name of the backing file. What is not
 * understood is kept as it stands.
 */
import { alignUp } from '@diskfile/bytes';
import { corrupt } from '../errors.ts';
import { type RawExtension, splitExtensions } from './header-extensions.ts';
import { extensionHeader, headerV2, headerV3 } from '../structs.ts';

type RawV2 = ReturnType<typeof headerV2.decode>;
type RawV3 = ReturnType<typeof headerV3.decode>;

export interface HeaderContent {
  /** Without the place of the backing name, which follows from the layout. */
  readonly fields: Omit<RawV2, 'backing_file_offset' | 'backing_file_size'>;
  /** Undefined in version 2. */
  readonly versionFields: Omit<RawV3, 'header_length'> | undefined;
  /** What version 3 has behind its fixed fields: the compression type, and what nobody knows. */
  readonly moreFields: Uint8Array;
  readonly extensions: readonly HeaderExtension[];
  readonly backingName: Uint8Array | undefined;
}

export interface HeaderExtension {
  readonly type: number;
  readonly data: Uint8Array;
}

/** Where the parts of a header lie that has been laid out. */
export interface HeaderLayout {
  /** The header as far as it is used. */
  readonly bytes: Uint8Array;
  /** Behind the fields and extensions. */
  readonly extensionsEnd: number;
  readonly nameOffset: number;
}

const V3_FIXED_BYTES = headerV2.spanBytes + headerV3.spanBytes;

/** @param cluster the header cluster; it has been parsed, and with that its bounds checked */
export function decodeHeaderContent(cluster: Uint8Array): HeaderContent {
  const {
    backing_file_offset: nameOffset,
    backing_file_size: nameBytes,
    ...fields
  } = headerV2.decode(cluster);
  const extensionsEnd = nameOffset === 0 ? cluster.length : nameOffset;
  const versioned = fields.version === 2 ? undefined : headerV3.decode(cluster, headerV2.spanBytes);
  const headerBytes = versioned?.header_length ?? headerV2.spanBytes;
  const extensions = splitExtensions(cluster, headerBytes, extensionsEnd);
  if (extensions === undefined) throw new Error('assertion failed: a header longer than a cluster');
  return {
    fields,
    versionFields: versioned && withoutLength(versioned),
    moreFields: cluster.slice(versioned === undefined ? headerBytes : V3_FIXED_BYTES, headerBytes),
    extensions: extensions.map(({ type, data }: RawExtension) => ({ type, data: data.slice() })),
    backingName:
      nameOffset === 0 || nameBytes === 0
        ? undefined
        : cluster.slice(nameOffset, nameOffset + nameBytes),
  };
}

function withoutLength({ header_length: _, ...fields }: RawV3): Omit<RawV3, 'header_length'> {
  return fields;
}

/** Behind the fields and extensions of a header. */
export function extensionsEndOf({ versionFields, moreFields, extensions }: HeaderContent): number {
  const fieldsEnd =
    versionFields === undefined ? headerV2.spanBytes : V3_FIXED_BYTES + moreFields.length;
  return extensions.reduce(
    (end, { data }) => end + extensionHeader.spanBytes + alignUp(data.length, 8),
    fieldsEnd + extensionHeader.spanBytes,
  );
}

/**
 * @param nameOffset where the name of the backing file goes, at or behind {@link extensionsEndOf}
 * @throws DiskError `corrupt` when the fields do not hold what they should
 */
export function layOutHeader(content: HeaderContent, nameOffset: number): HeaderLayout {
  const { fields, versionFields, moreFields, extensions, backingName } = content;
  const extensionsEnd = extensionsEndOf(content);
  if (nameOffset < extensionsEnd)
    throw corrupt('qcow2.header', 'The header has no room for a name');
  const nameBytes = backingName?.length ?? 0;
  const bytes = new Uint8Array(backingName === undefined ? extensionsEnd : nameOffset + nameBytes);
  const place = {
    backing_file_offset: backingName === undefined ? 0 : nameOffset,
    backing_file_size: nameBytes,
  };
  headerV2.encode({ ...fields, ...place }, bytes);
  let at = headerV2.spanBytes;
  if (versionFields !== undefined) {
    const header_length = V3_FIXED_BYTES + moreFields.length;
    headerV3.encode({ ...versionFields, header_length }, bytes, at);
    bytes.set(moreFields, V3_FIXED_BYTES);
    at = header_length;
  }
  for (const { type, data } of extensions) {
    extensionHeader.encode({ type, length: data.length }, bytes, at);
    bytes.set(data, at + extensionHeader.spanBytes);
    at += extensionHeader.spanBytes + alignUp(data.length, 8);
  }
  if (backingName !== undefined) bytes.set(backingName, nameOffset);
  return { bytes, extensionsEnd, nameOffset };
}
