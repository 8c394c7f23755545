/** Names under which a differencing disk knows its parent, as paths of this host. */
import { decodeName, decodeUtf16le } from '@diskfile/bytes';
import { readBytes, type Step, type Storage } from '@diskfile/core';
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
    ...relative.map(asRelativePath),
    ...[...relative, header.parentName, ...others].map(lastName),
    ...paths,
  ];
  return [...new Set(names.filter((name) => name !== '').map(asFile))];
}

/** Before a colon there would be a protocol; here it is part of a file's name. */
function asFile(name: string): string {
  return name.includes(':') && !name.startsWith('/') ? `./${name}` : name;
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

/** A Windows path as one of this host; absolute ones have no meaning here. */
function asRelativePath(path: string): string {
  const slashed = path.replaceAll('\\', '/');
  if (slashed.startsWith('/') || /^[A-Za-z]:/.test(slashed)) return lastName(path);
  return slashed.replace(/^(\.\/)+/, '');
}

/** Without the drive that a Windows path may begin with. */
function lastName(path: string): string {
  return path
    .replace(/^[A-Za-z]:/, '')
    .split(/[\\/]/)
    .at(-1)!;
}
