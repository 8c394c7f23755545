/** What the examiner noted when the image was made: the "header" and "header2" sections. */
import { decodeName, decodeUtf16le } from '@diskfile/bytes';
import { type DecoderSet, readBytes, type Step } from '@diskfile/core';
import type { Section } from './sections.ts';

export type HeaderValues = Readonly<Record<string, string>>;

/** Both lengths of a section that is looked at; nobody types so much. */
const MAX_ENCODED_BYTES = 256 * 1024;
const MAX_TEXT_BYTES = 1024 * 1024;
const ZLIB_HEADER_BYTES = 2;

/** Names of the specification's identifiers, those that people look for. */
const NAMES: Readonly<Record<string, string>> = {
  c: 'caseNumber',
  n: 'evidenceNumber',
  a: 'description',
  e: 'examiner',
  t: 'notes',
  av: 'acquiredWith',
  ov: 'operatingSystem',
  m: 'acquiredAt',
  u: 'systemTime',
};
const DATES: ReadonlySet<string> = new Set(['acquiredAt', 'systemTime']);

/** Undefined for a section that makes no sense: the disk does not depend on it. */
export function* readHeaderValues(
  section: Section,
  decoders: DecoderSet,
): Step<HeaderValues | undefined> {
  const { storage, dataOffset, end } = section;
  const lengthBytes = end - dataOffset;
  if (lengthBytes > MAX_ENCODED_BYTES || lengthBytes < ZLIB_HEADER_BYTES) return undefined;
  const encoded = yield* readBytes(storage, dataOffset, lengthBytes);
  const codec = yield* decoders.loadStream('deflate-raw');
  const text = new Uint8Array(MAX_TEXT_BYTES);
  let takenBytes = ZLIB_HEADER_BYTES;
  let filledBytes = 0;
  const decoder = yield* codec.start();
  try {
    do {
      decoder.decode(encoded.subarray(takenBytes), text.subarray(filledBytes));
      takenBytes += decoder.takenBytes;
      filledBytes += decoder.filledBytes;
    } while (!decoder.isAtEnd && decoder.takenBytes + decoder.filledBytes > 0);
  } catch {
    return undefined;
  } finally {
    decoder.close();
  }
  return parseValues(decodeText(text.subarray(0, filledBytes)));
}

/** "header2" is UTF-16 with a byte order mark, "header" some 8-bit code page. */
function decodeText(bytes: Uint8Array): string {
  return bytes[0] === 0xff && bytes[1] === 0xfe
    ? decodeUtf16le(bytes.subarray(2))
    : decodeName(bytes);
}

/** A line of identifiers and one of values, behind two lines that do not matter here. */
export function parseValues(text: string): HeaderValues | undefined {
  const [, , identifiers, values] = text.split(/\r?\n/);
  if (identifiers === undefined || values === undefined) return undefined;
  const found: Record<string, string> = {};
  const fields = values.split('\t');
  for (const [index, identifier] of identifiers.split('\t').entries()) {
    const name = Object.hasOwn(NAMES, identifier) ? NAMES[identifier]! : undefined;
    const value = fields[index]?.trim();
    if (name === undefined || value === undefined || value === '') continue;
    found[name] = DATES.has(name) ? readableDate(value) : value;
  }
  return found;
}

/** Seconds since 1970, or numbers from the year on in the examiner's time zone. */
function readableDate(value: string): string {
  if (/^\d{1,11}$/.test(value)) return new Date(Number(value) * 1000).toISOString();
  const parts = value.split(' ');
  if (parts.length !== 6 || !parts.every((part) => /^\d{1,4}$/.test(part))) return value;
  const [year, ...rest] = parts.map((part) => part.padStart(2, '0'));
  const [month, day, hour, minute, second] = rest;
  return `${year}-${month}-${day} ${hour}:${minute}:${second}`;
}
