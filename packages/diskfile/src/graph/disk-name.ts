/**
 * A disk as a user names it: a path, `json:{…}`, or a name that begins with a driver, such as
 * `blkdebug:config:image` (QEMU manual, "Device URL Syntax").
 */
import { DiskError } from '@diskfile/bytes';
import { checkArgument, isJsonObject, parseLooseJson } from '@diskfile/core';
import { BlockOptions, checkGraph, invalid } from './options/block-options.ts';

const MAX_NESTING = 16;
/** Drivers that name a file or device of the host and strip their own name from it. */
const HOST_PREFIXES = new Set(['file', 'host_device']);
/** Drivers that are given the name, with the child that it names where it is not one of their own. */
const PROTOCOL_CHILDREN: Readonly<Record<string, string | undefined>> = {
  'null-co': undefined,
  'null-aio': undefined,
  blkdebug: 'image',
  blkverify: 'test',
};

/** Drivers that make no file, and have none of their own. */
const FILELESS = new Set(['null-co', 'null-aio', 'blkdebug', 'blkverify']);

/**
 * The options of the node that a name stands for.
 * @param driver that of the node, where it is known
 * @returns for all but `json:`, a node whose `file` is what the name says, of a format that is yet to
 *   be found out
 * @throws DiskError `invalid-argument`; `unsupported` for a protocol that is not known
 */
export function parseDiskName(name: string, driver?: string): BlockOptions {
  if (driver !== undefined) checkArgument('open', 'driver', driver, 'text');
  const given = new BlockOptions();
  if (driver !== undefined) given.set('driver', driver);
  return parseNameWithOptions(name, given);
}

/**
 * The options of the node that a name stands for together with options. They win, and the name goes
 * down through the drivers that they give to the node and to the files below, until one can use it.
 * @throws DiskError as `parseDiskName` does
 */
export function parseNameWithOptions(name: string, given: BlockOptions): BlockOptions {
  checkArgument('open', 'name', name, 'text');
  checkGraph(given);
  const options = name.startsWith('json:')
    ? parseJsonName(name.slice('json:'.length))
    : describedBy(name, given);
  options.add(given);
  return options;
}

function describedBy(name: string, given: BlockOptions): BlockOptions {
  const options = new BlockOptions();
  let prefix = '';
  let isDisk = true;
  for (let depth = 0; depth < MAX_NESTING; depth++) {
    const driver = given.peekText(`${prefix}driver`);
    if (driver === undefined && !isDisk) {
      describeFile(name, prefix, options);
      return options;
    }
    if (driver !== undefined && isProtocol(driver)) {
      const child = Object.hasOwn(PROTOCOL_CHILDREN, driver)
        ? PROTOCOL_CHILDREN[driver]
        : undefined;
      if (child === undefined || protocolOf(name) === driver) {
        describeProtocol(name, driver, { prefix, options });
        return options;
      }
      prefix += `${child}.`;
      // What is verified is an image of any format; faults are those of a file.
      isDisk = driver === 'blkverify';
    } else {
      prefix += 'file.';
      isDisk = false;
    }
  }
  throw tooDeep();
}

function isProtocol(driver: string): boolean {
  return HOST_PREFIXES.has(driver) || Object.hasOwn(PROTOCOL_CHILDREN, driver);
}

/** Has a driver that reads names do so, also where the name does not begin with its own. */
function describeProtocol(name: string, driver: string, { prefix, options }: Placed): void {
  const isNamed = protocolOf(name) === driver;
  if (HOST_PREFIXES.has(driver)) {
    options.set(`${prefix}filename`, isNamed ? hostPath(name, driver) : name);
  } else if (isNamed) describeFile(name, prefix, options);
  else throw invalid(`The only allowed filename for this driver is '${driver}://'`);
}

function parseJsonName(text: string): BlockOptions {
  let value;
  try {
    value = parseLooseJson(text);
  } catch (error) {
    const reason = error instanceof DiskError ? error.message : String(error);
    throw invalid(`Could not parse the JSON options: ${reason}`);
  }
  if (!isJsonObject(value)) throw invalid('Invalid JSON object given');
  return BlockOptions.of(value);
}

/** Adds what a name says, in options that begin with `prefix`. */
function describeFile(name: string, prefix: string, options: BlockOptions, depth = 0): void {
  if (depth > MAX_NESTING) throw tooDeep();
  const protocol = protocolOf(name);
  if (protocol === undefined || HOST_PREFIXES.has(protocol)) {
    // A plain name is a file or a device, whichever the host has.
    if (protocol !== undefined) options.set(`${prefix}driver`, protocol);
    options.set(`${prefix}filename`, protocol === undefined ? name : hostPath(name, protocol));
    return;
  }
  const rest = name.slice(protocol.length + 1);
  if (protocol === 'null-co' || protocol === 'null-aio') {
    if (rest !== '//') {
      throw invalid(`The only allowed filename for this driver is '${protocol}://'`);
    }
    options.set(`${prefix}driver`, protocol);
  } else if (protocol === 'blkdebug' || protocol === 'blkverify') {
    describeTest(protocol, rest, { prefix, options, depth });
  } else throw unknownProtocol(protocol);
}

/** Where in the options of a graph something is described. */
interface Placed {
  readonly prefix: string;
  readonly options: BlockOptions;
}

interface Described extends Placed {
  readonly depth: number;
}

/** `blkdebug:CONFIG:IMAGE` and `blkverify:RAW:IMAGE`. */
function describeTest(driver: string, rest: string, { prefix, options, depth }: Described): void {
  const colon = rest.indexOf(':');
  const first = rest.slice(0, Math.max(colon, 0));
  if (colon === -1 && driver === 'blkdebug') {
    throw invalid('blkdebug requires both config file and image path');
  }
  if (colon === -1) throw invalid('blkverify requires raw copy and original image path');
  options.set(`${prefix}driver`, driver);
  if (driver === 'blkverify') describeFile(first, `${prefix}raw.`, options, depth + 1);
  else if (first !== '') options.set(`${prefix}config`, first);
  // What is verified is an image of any format; faults are those of a file.
  const image = driver === 'blkverify' ? 'test.file.' : 'image.';
  describeFile(rest.slice(colon + 1), prefix + image, options, depth + 1);
}

function tooDeep(): DiskError {
  return invalid('The name is nested too deeply');
}

/**
 * The path of a file that is to be made, from what a user calls it.
 * @throws DiskError `unsupported` for a name with a protocol, under which it could not be opened
 */
export function newFilePath(name: string): string {
  checkArgument('create', 'name', name, 'text');
  const protocol = protocolOf(name);
  if (protocol === undefined) return name;
  if (FILELESS.has(protocol)) {
    const message = `Protocol driver '${protocol}' does not support image creation`;
    throw new DiskError('unsupported', 'graph.protocol', message, { op: 'create' });
  }
  if (!HOST_PREFIXES.has(protocol)) throw unknownProtocol(protocol);
  return hostPath(name, protocol);
}

/** What stands before the first colon, unless that is part of a path. */
export function protocolOf(name: string): string | undefined {
  const protocol = /^([^:/]*):/.exec(name)?.[1];
  const isDrive = process.platform === 'win32' && protocol?.length === 1;
  return isDrive ? undefined : protocol;
}

/** What would look like a protocol in its turn gets a directory. */
function hostPath(name: string, protocol: string): string {
  const path = name.slice(protocol.length + 1).replace(/^\/\/(?=\/)/, '');
  return protocolOf(path) === undefined ? path : `./${path}`;
}

function unknownProtocol(protocol: string): DiskError {
  return new DiskError('unsupported', 'graph.protocol', `Unknown protocol '${protocol}'`, {
    op: 'open',
    hint: 'Only local files can be opened; give a path with a colon in it as ./NAME.',
  });
}
