/** Names under which a differencing disk knows its parent, as paths of this host. */
import { decodeName, decodeUtf16le } from '@diskfile/bytes';
import {
  fileReference,
  foreignFileName,
  foreignRelativePath,
  readBytes,
  type Step,
  type Storage,
} from '@diskfile/core';
import type { DynamicHeader, ParentLocator } from './dynamic-header.ts';

/**
 * All names, best first: the relative path, then the file names of the others next to the image,
 * since paths of another machine mean nothing here; last the path of a URL, which may be of this one.
 */
export function* readParentNames(storage: Storage, header: DynamicHeader): Step<string[]> {
  const relative: string[] = [];
  const others: string[] = [];
  const paths: string[] = [];
  for (const locator of header.parentLocators) {
    const path = yield* readLocator(storage, locator);
    if (path === undefined) continue;
    if (locator.platformCode === 'W2ru' || locator.platformCode === 'Wi2r') relative.push(path);
    else others.push(path);
    if (locator.platformCode === 'MacX') paths.push(path);
  }
  const names = [
    ...relative.map((path) => foreignRelativePath(path) ?? foreignFileName(path)),
    ...[...relative, header.parentName, ...others].map(foreignFileName),
    ...paths,
  ];
  return [...new Set(names.filter((name) => name !== '').map(fileReference))];
}

function* readLocator(storage: Storage, locator: ParentLocator): Step<string | undefined> {
  const { platformCode, offset, lengthBytes } = locator;
  if (offset + lengthBytes > storage.sizeBytes) return undefined;
  const bytes = yield* readBytes(storage, offset, lengthBytes);
  switch (platformCode) {
    case 'W2ru':
    case 'W2ku':
      return decodeUtf16le(bytes);
    case 'Wi2r':
    case 'Wi2k':
      return decodeName(bytes.subarray(0, textEnd(bytes)));
    case 'MacX':
      return decodeFileUrl(decodeName(bytes.subarray(0, textEnd(bytes))));
    default:
      // `Mac ` is an alias record, which only an old Mac OS resolves.
      return undefined;
  }
}

function textEnd(bytes: Uint8Array): number {
  const end = bytes.indexOf(0);
  return end === -1 ? bytes.length : end;
}

function decodeFileUrl(url: string): string | undefined {
  try {
    return decodeURIComponent(new URL(url).pathname);
  } catch {
    return undefined;
  }
}
