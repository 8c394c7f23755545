import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeVolume } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as diskfile from '../src/index.ts';
import {
  DiskError,
  type DiskFile,
  FileSystem,
  MemoryStorage,
  openDiskFileSync,
} from '../src/index.ts';

/** What plain JavaScript may pass where something else is wanted. */
const NO_OBJECT = [null, 7, 'text', true, Symbol('s'), []];
const NO_TEXT = [null, 7, true, {}, [], Symbol('s'), Object.create(null)];
const NO_FLAG = [null, 0, 'false', {}];
const NO_COUNT = [null, -1, 1.5, Number.NaN, '1', 1n, {}];
const NO_NUMBER = [null, '1', 1n, {}];
const NO_CALLBACK = [null, 7, 'text', {}];
const NO_SIGNAL = [null, 7, 'text', {}, new AbortController()];
const NO_SECRETS = [null, 7, {}, new Map([['a', 'text']]), new Map([[7, new Uint8Array(1)]])];
const NO_PASSPHRASE = [null, 7, {}, new ArrayBuffer(8), new Uint16Array(2)];
const NO_DRIVERS = [null, {}, ['raw'], [null]];
const NO_GATE = [null, 7, 'any', { allow: '/tmp' }, { allow: [7] }, { open: 7 }];
const NO_FORMAT_OPTIONS = [null, 7, [], { cluster_size: {} }, { cluster_size: null }];
const NO_DISK = [undefined, null, 7, 'vm.qcow2', {}, new MemoryStorage(new Uint8Array(512))];
const NO_LIST = [undefined, null, 7, {}];
const NO_TARGET = [undefined, null, 7, {}, new URL('https://host/x'), new URL('file://host/x')];
const NO_LIMITS = [null, 7, 'text', { maxChainLength: 0 }, { maxStructureBytes: '1' }];

type Wrong = readonly unknown[];
type Wrongs = Readonly<Record<string, Wrong>>;

const LIMITED = { limits: NO_LIMITS };
const CHAIN = {
  format: NO_TEXT,
  gate: NO_GATE,
  forceShare: NO_FLAG,
  ...LIMITED,
  formats: NO_DRIVERS,
  onProgress: NO_CALLBACK,
  signal: NO_SIGNAL,
};
const OPENING = {
  format: NO_TEXT,
  readOnly: NO_FLAG,
  forceShare: NO_FLAG,
  snapshot: NO_TEXT,
  disk: NO_TEXT,
  passphrase: [...NO_PASSPHRASE.filter((value) => !Array.isArray(value)), ['a', 7]],
  secrets: NO_SECRETS,
  gate: NO_GATE,
  backing: NO_FLAG,
  asQemu: NO_FLAG,
  ...LIMITED,
  formats: NO_DRIVERS,
};
const FILE_SYSTEM = { strict: NO_FLAG, ...LIMITED, fileSystems: NO_DRIVERS };
const GUEST = { ...FILE_SYSTEM, mounts: [null, 7, {}, [null], [{}], [{ device: 7 }]] };
const GRAPH = {
  readOnly: NO_FLAG,
  forceShare: NO_FLAG,
  snapshot: NO_TEXT,
  gate: NO_GATE,
  backing: NO_FLAG,
  discards: NO_FLAG,
  asQemu: NO_FLAG,
  temporary: NO_FLAG,
  copyOnRead: NO_FLAG,
  objects: NO_OBJECT,
  ...LIMITED,
  formats: NO_DRIVERS,
};
const BACKING = [null, 7, 'below', {}, { name: 7 }, { name: 'x', format: 7 }];
const CREATION = {
  format: [undefined, ...NO_TEXT],
  sizeBytes: NO_COUNT,
  backing: BACKING,
  options: NO_FORMAT_OPTIONS,
  passphrase: NO_PASSPHRASE,
  secrets: NO_SECRETS,
  overwrite: NO_FLAG,
  durable: NO_FLAG,
  gate: NO_GATE,
  forceShare: NO_FLAG,
  ...LIMITED,
  signal: NO_SIGNAL,
  formats: NO_DRIVERS,
};
const CONVERSION = {
  format: NO_TEXT,
  options: NO_FORMAT_OPTIONS,
  passphrase: NO_PASSPHRASE,
  secrets: NO_SECRETS,
  source: NO_OBJECT,
  compress: NO_FLAG,
  compressionLevel: NO_NUMBER,
  backing: BACKING,
  range: [...NO_OBJECT, {}, { guestOffset: -1, lengthBytes: 512 }, { guestOffset: 0.5 }],
  sparseBytes: NO_COUNT,
  intoExisting: NO_FLAG,
  targetIsZero: NO_FLAG,
  bitmaps: NO_TEXT,
  salvage: NO_FLAG,
  bytesPerSecond: [...NO_NUMBER, 0, -1, Number.NaN],
  outOfOrder: NO_FLAG,
  workers: NO_COUNT,
  overwrite: NO_FLAG,
  durable: NO_FLAG,
  gate: NO_GATE,
  ...LIMITED,
  formats: NO_DRIVERS,
  onProgress: NO_CALLBACK,
  signal: NO_SIGNAL,
};
const COMPARISON = { strict: NO_FLAG, onProgress: NO_CALLBACK, signal: NO_SIGNAL };
const DIFFERENCES = { onProgress: NO_CALLBACK, signal: NO_SIGNAL };
const BENCH = {
  requests: [undefined, ...NO_COUNT],
  depth: [undefined, 0, ...NO_COUNT],
  requestBytes: [undefined, ...NO_COUNT],
  startBytes: [undefined, ...NO_COUNT],
  stepBytes: [undefined, ...NO_COUNT],
  write: NO_FLAG,
  pattern: NO_COUNT,
  flushInterval: NO_COUNT,
  drain: NO_FLAG,
  signal: NO_SIGNAL,
};
const MEASURING = {
  format: [undefined, ...NO_TEXT],
  options: NO_FORMAT_OPTIONS,
  passphrase: NO_PASSPHRASE,
  hasBacking: NO_FLAG,
  source: NO_OBJECT,
  formats: NO_DRIVERS,
  signal: NO_SIGNAL,
};
const KEY_SLOTS = {
  state: [undefined, ...NO_TEXT],
  passphrase: [undefined, ...NO_PASSPHRASE],
  newPassphrase: NO_PASSPHRASE,
  oldPassphrase: NO_PASSPHRASE,
  slotIndex: NO_COUNT,
  iterationMilliseconds: NO_COUNT,
  force: NO_FLAG,
  format: NO_TEXT,
  ...LIMITED,
};

/** One argument: a value that is right, and others that are not; `options` are each tried as well. */
interface Argument {
  readonly right: () => unknown;
  readonly wrong: Wrong;
  readonly options?: Wrongs;
}

let root: string;
let disk: DiskFile;
const path = () => join(root, 'none.raw');
const target: Argument = { right: path, wrong: NO_TARGET };
const aDisk: Argument = { right: () => disk, wrong: NO_DISK };
const text = (right: string): Argument => ({ right: () => right, wrong: [undefined, ...NO_TEXT] });
const options = (all: Wrongs, right: object = {}): Argument => ({
  right: () => right,
  wrong: NO_OBJECT,
  options: all,
});
const fileSystem: Argument = {
  right: () => new FileSystem(new FakeVolume({ file: '' }), { synchronous: true }),
  wrong: [undefined, null, 7, '/', {}],
};
const entry: Argument = {
  right: () => (fileSystem.right() as FileSystem).walkSync('/').next().value,
  wrong: [undefined, null, 7, '/file', {}],
};

const newRaw = { format: 'raw', sizeBytes: 512 };
const changed = { state: 'active', passphrase: 'a', newPassphrase: 'b' };
const bench = { requests: 1, depth: 1, requestBytes: 512, startBytes: 0, stepBytes: 512 };
const COMMIT = { ...CHAIN, base: NO_TEXT, keepContent: NO_FLAG };
const REBASE = { ...CHAIN, backing: NO_TEXT, backingFormat: NO_TEXT, unsafe: NO_FLAG };
const { onProgress: _, signal: __, ...STILL } = CHAIN;
const FORK = {
  ...STILL,
  base: [undefined, ...NO_TEXT],
  clone: NO_TEXT,
  overlayOptions: NO_FORMAT_OPTIONS,
};
const CHECK = { ...CHAIN, repair: [...NO_TEXT, 'some'], asQemu: NO_FLAG };
const amendments: Argument = { right: () => ({}), wrong: [undefined, ...NO_FORMAT_OPTIONS] };
const graph: Argument = {
  right: () => diskfile.parseDiskName(path()),
  wrong: [undefined, null, 7, 'disk.raw', {}],
};
const sources: Argument = { right: () => disk, wrong: [...NO_TARGET, [], [null], [7]] };
const measured: Argument = { right: () => 512, wrong: [undefined, null, -1, 1.5, {}, 1n] };

/** Every function that the package exports. */
const guest: Argument = {
  right: () => ({ skippedMounts: [], devices: [] }),
  wrong: [undefined, null, 7, {}, { skippedMounts: [], devices: 7 }],
};

const FUNCTIONS: Readonly<Record<string, readonly Argument[]>> = {
  amendDiskFile: [target, amendments, options(STILL)],
  benchDisk: [aDisk, options(BENCH, bench)],
  changeKeySlots: [target, options(KEY_SLOTS, changed)],
  checkRuntimeOptions: [text('qcow2'), graph],
  checkDiskFile: [target, options(CHECK)],
  closeDevices: [{ right: () => [], wrong: NO_LIST }],
  commitDiskFile: [target, options(COMMIT)],
  compareDisks: [aDisk, aDisk, options(COMPARISON)],
  convertDiskFile: [sources, target, options(CONVERSION, { format: 'raw' })],
  createDiskFile: [target, options(CREATION, newRaw)],
  digest: [aDisk, options({ ...DIFFERENCES, workers: NO_COUNT })],
  diskDifferences: [aDisk, aDisk, options(DIFFERENCES)],
  encodeName: [text('name')],
  entryLinkTarget: [entry],
  entryXattrs: [entry],
  fileDifferencesSync: [fileSystem, fileSystem, options({ path: NO_TEXT, signal: NO_SIGNAL })],
  flattenDiskFile: [target, options(CHAIN)],
  forkDiskFile: [target, options(FORK, { base: 'base.raw' })],
  hostGate: [{ right: () => ({}), wrong: [null, 7, 'any', { allow: '/tmp' }, { allow: [7] }] }],
  measureDiskFile: [measured, options(MEASURING, { format: 'raw' })],
  newFilePath: [text('name')],
  openDevices: [aDisk, options(FILE_SYSTEM)],
  openDiskFile: [target, options(OPENING)],
  openEntry: [entry],
  openFileSystem: [aDisk, options(FILE_SYSTEM)],
  openGraph: [graph, options(GRAPH)],
  openGraphFile: [graph, options(GRAPH)],
  openGuest: [aDisk, options(GUEST)],
  parseByteSize: [text('1k')],
  parseDiskName: [text('name')],
  parseNameWithOptions: [text('name'), graph],
  parseKeyval: [
    text('a=b'),
    { right: () => 'driver', wrong: NO_TEXT },
    options({ onShortForm: NO_CALLBACK }),
  ],
  readPartitions: [aDisk, options({ sectorBytes: NO_COUNT })],
  rebaseDiskFile: [target, options(REBASE)],
  sliceDisk: [
    aDisk,
    options(
      {
        startBytes: [undefined, ...NO_NUMBER],
        lengthBytes: [undefined, ...NO_NUMBER],
        name: NO_TEXT,
      },
      { startBytes: 0, lengthBytes: 512 },
    ),
  ],
  uncomparedMountsSync: [guest, guest],
};
/** They take nothing, or what only this library makes, or anything. */
const OTHERS = new Set(['breakpointsOf', 'codecCapabilities', 'runAsync', 'runSync']);

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'arguments-'));
  disk = openDiskFileSync(new MemoryStorage(new Uint8Array(4096)), { format: 'raw' });
});

afterAll(() => {
  disk.closeSync();
  rmSync(root, { recursive: true });
});

type AnyFunction = (...given: unknown[]) => unknown;

function isClass(value: AnyFunction): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

const exported = Object.entries(diskfile).filter(
  (each): each is [string, AnyFunction & (typeof each)[1]] =>
    typeof each[1] === 'function' && !isClass(each[1] as AnyFunction),
);

/** What comes of a call, whatever it returns. Asynchronous forms reject, and never throw. */
async function outcome(call: () => unknown): Promise<unknown> {
  let result;
  try {
    result = call();
  } catch (error) {
    return { thrown: error };
  }
  try {
    if (result instanceof Promise) await result;
    else if (isIterator(result)) for (;;) if ((await result.next()).done === true) break;
    return undefined;
  } catch (error) {
    return { rejected: error };
  }
}

function isIterator(value: unknown): value is { next(): Promise<{ done?: boolean }> } {
  return typeof value === 'object' && value !== null && 'next' in value;
}

function show(value: unknown): string {
  return typeof value === 'symbol'
    ? 'a symbol'
    : (JSON.stringify(value, (_key, each: unknown) =>
        typeof each === 'bigint' ? `${each}n` : each,
      ) ?? String(value));
}

/** What an error says that calls an option by another word. */
const WORDS: Readonly<Record<string, string>> = {
  bytesPerSecond: 'bytes a second',
  range: 'whole sectors',
  repair: 'be repaired',
  sizeBytes: 'The disk cannot be',
  sparseBytes: 'Zeros',
};

async function expectRefusal(call: () => unknown, what: string, name = ''): Promise<void> {
  const found = (await outcome(call)) as { thrown?: unknown; rejected?: unknown } | undefined;
  const error = found?.thrown ?? found?.rejected;
  expect(error, what).toBeInstanceOf(DiskError);
  expect((error as DiskError).code, `${what}: ${String(error)}`).toBe('invalid-argument');
  const { message } = error as DiskError;
  if (!message.includes(name)) expect(message, what).toContain(WORDS[name] ?? name);
}

describe.each(exported.filter(([name]) => !OTHERS.has(name)))('%s', (name, call) => {
  const plan = FUNCTIONS[name] ?? FUNCTIONS[name.replace(/Sync$/, '')];

  it('refuses what is of no use as an argument, by name', async () => {
    expect(plan).toBeDefined();
    for (const [index, argument] of plan!.entries()) {
      const around = (value: unknown): unknown[] =>
        plan!.map((each, other) => (other === index ? value : each.right()));
      for (const wrong of argument.wrong) {
        const what = `argument ${index}: ${show(wrong)}`;
        await expectRefusal(() => call(...around(wrong)), what);
      }
      for (const [option, wrongs] of Object.entries(argument.options ?? {})) {
        for (const wrong of wrongs) {
          const given = { ...(argument.right() as object), [option]: wrong };
          await expectRefusal(() => call(...around(given)), `${option}: ${show(wrong)}`, option);
        }
      }
    }
  });
});
