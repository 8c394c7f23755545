/**
 * What qemu-img calls an image that options describe: the name of its file where that says all there
 * is to say, else the options that make a difference, as `json:{…}`.
 */
import { compactJsonText, isProtocol, type JsonValue } from '@diskfile/command';
import type { BlockOptions } from 'diskfile';

/** How an image is shown that was not simply named. */
export interface ShownImage {
  readonly filename: string;
  /** A driver that tells nothing of the image, but its own name; undefined for the image's format. */
  readonly driver: string | undefined;
  /** Whether the space on the host is known. */
  readonly hasHostSize: boolean;
  /** Whether it is known where relative names begin. */
  readonly hasDirectory: boolean;
  /** Whether the driver tells of clusters and marks. */
  readonly hasMarks: boolean;
}

/** Options that make another disk of the same file. */
const TELLING: Readonly<Record<string, readonly string[]>> = {
  file: ['filename'],
  host_device: ['filename'],
  'null-aio': ['size', 'read-zeroes'],
  'null-co': ['size', 'read-zeroes'],
  raw: ['offset', 'size'],
  luks: ['key-secret'],
  qcow: ['encrypt.key-secret'],
  qcow2: ['encrypt.key-secret'],
  quorum: ['vote-threshold', 'read-pattern', 'rewrite-corrupted', 'blkverify'],
  throttle: ['throttle-group'],
  vpc: ['force_size_calc'],
};
const FILTERS: ReadonlySet<string> = new Set([
  'compress',
  'copy-on-read',
  'preallocate',
  'quorum',
  'throttle',
]);
const WITHOUT_SIZE: ReadonlySet<string> = new Set(['blkdebug', 'blkverify']);
const WITHOUT_MARKS: ReadonlySet<string> = new Set(['null-aio', 'null-co', 'quorum']);
/** Of any node, and nothing that tells disks apart. */
const COMMON = /^(?:node-name|read-only|auto-read-only|force-share|discard|detect-zeroes|cache\.)/;
interface Node {
  readonly driver: string;
  /** What the node is called without options, where that is enough. */
  readonly exact: string | undefined;
  readonly json: JsonValue;
  readonly children: readonly Node[];
}

/** @param format the image's, where the options leave it to be found out */
export function shownImage(options: BlockOptions, format: string): ShownImage {
  const node = nodeOf(options.copy(), format);
  const { driver, exact, json, children } = node;
  const file = isProtocol(driver) || driver === 'quorum' ? node : (children[0] ?? node);
  return {
    filename: exact ?? `json:${compactJsonText(json)}`,
    driver: isProtocol(driver) || FILTERS.has(driver) ? driver : undefined,
    hasHostSize: !WITHOUT_SIZE.has(file.driver),
    hasDirectory: file.driver !== 'quorum',
    hasMarks: !WITHOUT_MARKS.has(driver) && !(driver === 'raw' && WITHOUT_MARKS.has(file.driver)),
  };
}

/**
 * Name of an opened image, with what lies below it.
 * @param named what the image itself says of that
 */
export function openedName(options: BlockOptions, format: string, named?: string): string {
  const all = options.copy();
  const saysNone = ['', null].includes(all.copy().take('backing') as string | null);
  const backing = saysNone ? undefined : all.copy().takeChild('backing');
  const below = backing && nodeOf(backing.options.copy(), format);
  const isDescribed = below !== undefined && (below.exact === undefined || below.exact !== named);
  const isOther = saysNone ? named !== undefined : isDescribed;
  if (!isOther) for (const [name] of options.entries()) if (isOfBacking(name)) all.take(name);
  if (isOther && saysNone) all.set('backing', null);
  const { exact, json } = nodeOf(all, format);
  return exact ?? `json:${compactJsonText(json)}`;
}

function isOfBacking(name: string): boolean {
  return name === 'backing' || name.startsWith('backing.');
}

function nodeOf(options: BlockOptions, byDefault: string): Node {
  const driver = options.takeText('driver') ?? byDefault;
  const json = new Map<string, JsonValue>([['driver', driver]]);
  const children: Node[] = [];
  const take = (name: string): Node | undefined => {
    const child = options.takeChild(name);
    if (child === undefined || child.options.isEmpty) return undefined;
    const node = nodeOf(child.options, likelyDriver(child.options));
    children.push(node);
    json.set(name, node.json);
    return node;
  };
  if (driver === 'blkdebug') return debugNode(options, { json, children, image: take('image') });
  if (driver === 'blkverify') {
    const [raw, test] = [take('raw'), take('test')];
    const isExact = raw?.exact !== undefined && test?.exact !== undefined;
    const exact = isExact ? `blkverify:${raw.exact}:${test.exact}` : undefined;
    return { driver, exact, json: Object.fromEntries(json), children };
  }
  if (driver === 'quorum') {
    const nodes = options
      .takeChildren('children')
      .map(({ options: each }) => nodeOf(each, likelyDriver(each)));
    children.push(...nodes);
    json.set(
      'children',
      nodes.map((each) => each.json),
    );
  }
  const file = take('file');
  const saysNone = options.copy().take('backing') === null;
  const backing = take('backing');
  if (saysNone) json.set('backing', null);
  const telling = (TELLING[driver] ?? []).filter((name) => options.has(name));
  for (const name of telling) json.set(name, options.take(name)!);
  const isAlone = backing === undefined && !saysNone;
  const isPlain =
    isAlone && !FILTERS.has(driver) && (telling.length === 0 || telling[0] === 'filename');
  const exact = isPlain ? exactName(driver, json, file) : undefined;
  return { driver, exact, json: Object.fromEntries(json), children };
}

/** Of a node that leaves it to be found out: without a name of its own it is an image over a file. */
function likelyDriver(options: BlockOptions): string {
  return options.has('filename') ? 'file' : 'raw';
}

function exactName(
  driver: string,
  json: ReadonlyMap<string, JsonValue>,
  file: Node | undefined,
): string | undefined {
  if (driver.startsWith('null-')) return `${driver}://`;
  if (isProtocol(driver)) return String(json.get('filename') ?? '');
  return file !== undefined && isProtocol(file.driver) ? file.exact : undefined;
}

interface DebugParts {
  readonly json: Map<string, JsonValue>;
  readonly children: readonly Node[];
  readonly image: Node | undefined;
}

/** All that is said of faults belongs to the name. */
function debugNode(options: BlockOptions, { json, children, image }: DebugParts): Node {
  const config = options.peekText('config') ?? '';
  let isExact = image?.exact !== undefined;
  for (const [name, value] of options.entries()) {
    if (COMMON.test(name)) continue;
    json.set(name, value);
    isExact &&= name === 'config';
  }
  const exact = isExact ? `blkdebug:${config}:${image!.exact}` : undefined;
  return { driver: 'blkdebug', exact, json: Object.fromEntries(json), children };
}
