/**
 * How an image names another file. QEMU writes plain paths, `file:` names and `json:{…}` block
 * device trees (QEMU manual, "Device URL Syntax" and "json:" pseudo-protocol); all are reduced to
 * a host file name, and for raw a window onto it.
 */
import { DiskError } from '@diskfile/bytes';
import { type JsonObject, type JsonValue, parseLooseJson } from './loose-json.ts';

/** A backing image as the image above names it. */
export interface BackingReference {
  /** The name as it is stored. */
  readonly name: string;
  /** Format that the image above states; undefined when the file has to be probed. */
  readonly format: string | undefined;
  /** Further names to try, in order, where no file is under the first. */
  readonly alternatives?: readonly string[];
}

export type FileRole = 'backing' | 'data-file' | 'extent';

/** A host file that an image asks for. */
export interface NamedFile {
  readonly role: FileRole;
  /** Host path, relative ones to the directory of the image that names it. */
  readonly filename: string;
  /** Start of the window onto the file. */
  readonly offset: number;
  /** Length of the window; undefined for all that follows `offset`. */
  readonly lengthBytes: number | undefined;
  /**
   * Options of a `blkdebug` node that a `json:` name puts over the file. What is in the file is the
   * same, so whoever opens it may play these faults, or none.
   */
  readonly faults?: JsonObject;
}

export interface ParsedName extends NamedFile {
  /** Format that a `json:` name states. */
  readonly format: string | undefined;
  /** Which secret a `json:` name says that the image is opened with. */
  readonly secret: string | undefined;
}

const FILE_PROTOCOLS = new Set(['file', 'host_device']);
const MAX_NESTING = 4;

/**
 * Reduces a stored name to a host file.
 * @throws DiskError `unsupported` for protocols other than files, `corrupt` for broken `json:`.
 */
export function parseImageName(name: string, role: FileRole): ParsedName {
  if (name.startsWith('json:')) return parseJsonName(name, role);
  const protocol = /^([^:/]*):/.exec(name)?.[1];
  if (protocol === undefined) return plainFile(name, role);
  if (protocol === 'file') {
    return plainFile(name.slice('file:'.length).replace(/^\/\/(?=\/)/, ''), role);
  }
  throw new DiskError(
    'unsupported',
    'reference.protocol',
    `The image names its ${role} ${quote(name)} with the protocol "${protocol}"`,
    { hint: 'Only files can be opened; copy it to a file and rebase the image onto that.' },
  );
}

/** A name from an image, safe to print: quoted, control characters escaped, not overlong. */
export function quote(name: string): string {
  const shown = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  return JSON.stringify(shown);
}

function plainFile(filename: string, role: FileRole): ParsedName {
  if (filename === '' || filename.includes('\0')) {
    throw new DiskError(
      'corrupt',
      'reference.empty-name',
      `The image names its ${role} ${quote(filename)}, which is no file name`,
    );
  }
  return {
    role,
    filename,
    offset: 0,
    lengthBytes: undefined,
    format: undefined,
    secret: undefined,
  };
}

type BlockOptions = { [key: string]: JsonValue };

function parseJsonName(name: string, role: FileRole): ParsedName {
  let options: JsonValue;
  try {
    options = parseLooseJson(name.slice('json:'.length));
  } catch (cause) {
    throw brokenJson(name, role, 'it is not valid JSON', cause);
  }
  if (!isOptions(options)) throw brokenJson(name, role, 'it is not an object');
  let node = nestDottedKeys(options);
  const secret = secretOf(node);
  let format: string | undefined;
  let offset = 0;
  let lengthBytes: number | undefined;
  let faults: { readonly faults?: JsonObject } = {};
  for (let depth = 0; depth < MAX_NESTING; depth++) {
    const { driver, filename, file, image, ...rules } = node;
    if (driver === 'blkdebug' && depth > 0 && isOptions(image)) {
      faults = { faults: rules };
      node = nestDottedKeys(image);
      continue;
    }
    const isFile = typeof driver === 'string' ? FILE_PROTOCOLS.has(driver) : file === undefined;
    if (isFile) {
      if (typeof filename !== 'string') throw brokenJson(name, role, 'it gives no "filename"');
      return { ...plainFile(filename, role), format, secret, offset, lengthBytes, ...faults };
    }
    if (!isOptions(file)) throw brokenJson(name, role, 'its "file" is not an inline description');
    if (driver === 'raw') {
      const size = byteCount(node, 'size', name, role);
      // Windows above this one are windows onto it.
      if (size !== undefined) {
        if (offset + (lengthBytes ?? 0) > size) {
          throw brokenJson(name, role, 'a window leaves the one that it is cut from');
        }
        lengthBytes ??= size - offset;
      }
      offset += byteCount(node, 'offset', name, role) ?? 0;
    } else if (depth > 0) {
      throw brokenJson(name, role, 'it stacks formats in a way that is not supported');
    }
    // Only the uppermost tells the format; one that does not leaves it to be probed.
    if (depth === 0 && typeof driver === 'string') format = driver;
    node = nestDottedKeys(file);
  }
  throw brokenJson(name, role, 'it is nested too deeply');
}

/** LUKS images have it as an option of their own, those of qcow2 among what says how they are encrypted. */
function secretOf({ encrypt, ...node }: BlockOptions): string | undefined {
  const secret = node['key-secret'] ?? (isOptions(encrypt) ? encrypt['key-secret'] : undefined);
  return typeof secret === 'string' ? secret : undefined;
}

function isOptions(value: JsonValue | undefined): value is BlockOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Turns `{"file.filename": x}` into `{"file": {"filename": x}}`, one level. */
function nestDottedKeys(options: BlockOptions): BlockOptions {
  const nested: BlockOptions = Object.create(null) as BlockOptions;
  for (const [key, value] of Object.entries(options)) {
    const dot = key.indexOf('.');
    if (dot === -1) {
      nested[key] =
        isOptions(value) && isOptions(nested[key]) ? { ...nested[key], ...value } : value;
      continue;
    }
    const child = nested[key.slice(0, dot)];
    nested[key.slice(0, dot)] = {
      ...(isOptions(child) ? child : {}),
      [key.slice(dot + 1)]: value,
    };
  }
  return nested;
}

const UNITS = ['', 'k', 'm', 'g', 't', 'p', 'e'];

/**
 * A number of bytes, or text as QEMU takes it for one: digits and perhaps a unit. What is not
 * understood is refused: any other window would show the wrong bytes.
 */
function byteCount(
  options: BlockOptions,
  key: 'offset' | 'size',
  name: string,
  role: FileRole,
): number | undefined {
  const value = options[key];
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? /^(\d+)([bkmgtpe]?)$/i.exec(value) : null;
  const unit = text === null ? 0 : Math.max(0, UNITS.indexOf(text[2]!.toLowerCase()));
  const count = text === null ? value : Number(text[1]) * 1024 ** unit;
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count;
  throw brokenJson(name, role, `its "${key}" is not understood`);
}

function brokenJson(name: string, role: FileRole, why: string, cause?: unknown): DiskError {
  return new DiskError(
    'corrupt',
    'reference.json',
    `The image names its ${role} ${quote(name)}, but ${why}`,
    cause === undefined ? {} : { cause },
  );
}
