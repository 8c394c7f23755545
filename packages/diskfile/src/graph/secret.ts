/** Passwords and keys, given in the open, in a file, or encrypted with another one. */
import { createDecipheriv } from 'node:crypto';
import fs from 'node:fs';
import { DiskError } from '@diskfile/bytes';
import { type BlockOptions, invalid } from './options/block-options.ts';

const MAX_FILE_BYTES = 1024 * 1024;
const IV_BYTES = 16;
const BLOCK_BYTES = 16;
const KEY_BYTES = 32;

/**
 * Reads what `--object secret` describes.
 * @param find another secret, by its id
 */
export function readSecret(options: BlockOptions, find: (id: string) => Uint8Array): Uint8Array {
  const data = options.takeText('data');
  const file = options.takeText('file');
  const keyId = options.takeText('keyid');
  const iv = options.takeText('iv');
  const isBase64 = takeFormat(options) === 'base64';
  const { leftOver } = options;
  if (leftOver !== undefined) throw invalid(`Parameter '${leftOver}' is unexpected`);
  if (data !== undefined && file !== undefined) {
    throw invalid("'file' and 'data' are mutually exclusive");
  }
  const given = data === undefined ? readSecretFile(file) : new TextEncoder().encode(data);
  const content = isBase64 ? decodeBase64(new TextDecoder('latin1').decode(given)) : given;
  return keyId === undefined ? content : decrypt(content, find(keyId), iv);
}

function takeFormat(options: BlockOptions): string {
  const format = options.takeText('format') ?? 'raw';
  if (format === 'raw' || format === 'base64') return format;
  throw invalid(`Parameter 'format' does not accept value '${format}'`);
}

function readSecretFile(path: string | undefined): Uint8Array {
  if (path === undefined) throw invalid("Either 'file' or 'data' must be provided");
  try {
    const content = readBounded(path);
    if (content.length <= MAX_FILE_BYTES) return content;
  } catch (cause) {
    throw new DiskError('not-found', 'graph.secret-file', `Unable to read ${path}`, {
      path,
      cause,
    });
  }
  throw invalid(`Unable to read ${path}: it is larger than any secret`);
}

/** May be a pipe, so its length is not known. At most one byte more than a secret may have. */
function readBounded(path: string): Uint8Array {
  const fd = fs.openSync(path, 'r');
  try {
    const content = new Uint8Array(MAX_FILE_BYTES + 1);
    let length = 0;
    while (length < content.length) {
      const count = fs.readSync(fd, content, length, content.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return content.slice(0, length);
  } finally {
    fs.closeSync(fd);
  }
}

function decodeBase64(text: string): Uint8Array {
  const compact = text.replaceAll(/[\r\n]/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) {
    throw invalid('Base64 data contains invalid characters');
  }
  return new Uint8Array(Buffer.from(compact, 'base64'));
}

/** AES-256-CBC, with the last block filled up as PKCS#7 does. */
function decrypt(content: Uint8Array, key: Uint8Array, ivText: string | undefined): Uint8Array {
  if (key.length !== KEY_BYTES) throw invalid('Key should be 32 bytes in length');
  if (ivText === undefined) throw invalid('IV is required to decrypt secret');
  const iv = decodeBase64(ivText);
  if (iv.length !== IV_BYTES) {
    throw invalid(`IV should be 16 bytes in length not ${iv.length}`);
  }
  if (content.length === 0 || content.length % BLOCK_BYTES !== 0) {
    throw invalid(`Length ${content.length} must be a multiple of block size 16`);
  }
  const decipher = createDecipheriv('aes-256-cbc', key, iv).setAutoPadding(false);
  const plain = Buffer.concat([decipher.update(content), decipher.final()]);
  const padding = plain.at(-1)!;
  if (padding === 0 || padding > BLOCK_BYTES) {
    throw invalid(`Incorrect number of padding bytes (${padding}) found on decrypted data`);
  }
  return new Uint8Array(plain.subarray(0, plain.length - padding));
}
