import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeVolume } from '@diskfile/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createDiskFileSync,
  DiskError,
  type DiskFile,
  FileSystem,
  MemoryStorage,
  openDiskFileSync,
  openGraphSync,
  OverlayStorage,
  parseKeyval,
  sliceDisk,
  type Storage,
  UserObjects,
} from '../src/index.ts';

const SIZE = 2 ** 20;
const NO_BYTES = [undefined, null, 7, 'text', {}, new ArrayBuffer(8), new Uint16Array(2)];
const NO_OFFSET = [undefined, null, -1, 0.5, Number.NaN, '0', 0n, {}, SIZE + 1];
const NO_OPTIONS = [null, 7, 'text', []];
const NO_FLAG = [null, 0, 'false', {}];
const NO_NAME = [undefined, null, 7, {}, Object.create(null)];
const bytes = new Uint8Array(512);

let root: string;
let disks: Record<'an image' | 'a slice' | 'a filter', DiskFile>;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'disk-arguments-'));
  const open = (name: string) => {
    const path = join(root, name);
    createDiskFileSync(path, { format: 'qcow2', sizeBytes: SIZE });
    return path;
  };
  const whole = openDiskFileSync(open('a'), { readOnly: false });
  const throttled = 'driver=copy-on-read,file.driver=qcow2,file.file.filename=';
  disks = {
    'an image': whole,
    'a slice': sliceDisk(whole, { startBytes: 0, lengthBytes: SIZE }),
    'a filter': openGraphSync(parseKeyval(throttled + open('b')), { readOnly: false }),
  };
});

afterAll(() => {
  for (const disk of Object.values(disks)) disk.closeSync();
  rmSync(root, { recursive: true });
});

type Call = (target: DiskFile) => unknown;

/** Arguments of which one alone is wrong. */
function calls(method: string, right: readonly unknown[], wrongs: readonly (readonly unknown[])[]) {
  return wrongs.flatMap((wrong, index) =>
    wrong.map((value): [string, Call] => [
      `${method}, ${index}: ${typeof value} ${JSON.stringify(value, textOfBigint) ?? ''}`,
      (target) => methodOf(target, method)(...right.with(index, value)),
    ]),
  );
}

function textOfBigint(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** `resizing.resize` is one of a capability. */
function methodOf(target: object, method: string): (...given: unknown[]) => unknown {
  const names = method.split('.');
  const owner = names.slice(0, -1).reduce((from, name) => at(from, name), target);
  return (at(owner, names.at(-1)!) as (...given: unknown[]) => unknown).bind(owner);
}

function at(from: object, name: string): object {
  return from[name as keyof typeof from];
}

async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    const result = call();
    if (result instanceof Promise) await result;
    else if (typeof result === 'object' && result !== null && 'next' in result) {
      await (result.next as () => unknown)();
    }
  } catch (error) {
    return error;
  }
  return undefined;
}

async function expectRefusals(target: DiskFile, all: readonly [string, Call][]): Promise<void> {
  const others: string[] = [];
  for (const [what, call] of all) {
    const error = await failureOf(() => call(target));
    const code = error instanceof DiskError ? error.code : undefined;
    if (!['invalid-argument', 'out-of-range'].includes(code!)) others.push(`${what}: ${error}`);
  }
  expect(others).toEqual([]);
}

function both(
  method: string,
  right: readonly unknown[],
  wrongs: readonly (readonly unknown[])[],
): [string, Call][] {
  return [...calls(method, right, wrongs), ...calls(`${method}Sync`, right, wrongs)];
}

const NO_LENGTH = NO_OFFSET;
const NO_OPERATIONS = [
  undefined,
  null,
  7,
  {},
  [null],
  [7],
  [{}],
  [{ op: 'erase' }],
  [{ op: 'read' }],
  [{ op: 'read', buffer: {}, guestOffset: 0 }],
  [{ op: 'write', buffer: bytes, guestOffset: '0' }],
  [{ op: 'discard', guestOffset: 0 }],
];

describe.each(['an image', 'a slice', 'a filter'] as const)('%s', (kind) => {
  it('refuses what is no place of a disk, and no bytes', async () => {
    await expectRefusals(disks[kind], [
      ...both('read', [bytes, 0], [NO_BYTES, NO_OFFSET]),
      ...both('write', [bytes, 0], [NO_BYTES, NO_OFFSET]),
      ...both(
        'writeZeroes',
        [0, 512, {}],
        [NO_OFFSET, NO_LENGTH, [...NO_OPTIONS, { mayUnmap: 0 }]],
      ),
      ...both('discard', [0, 512], [NO_OFFSET, NO_LENGTH]),
      ...both('blockStatus', [0, 512], [NO_OFFSET.slice(1), NO_LENGTH.slice(1)]),
      ...both('submitBatch', [[]], [NO_OPERATIONS]),
    ]);
  });
});

it('capabilities refuse what they can make nothing of', async () => {
  const flags = NO_FLAG.map((enabled) => ({ enabled }));
  await expectRefusals(disks['an image'], [
    ...both(
      'capabilities.resizing.resize',
      [SIZE, {}],
      [
        [undefined, null, -1, 0.5, '1', 1n],
        [...NO_OPTIONS, ...NO_FLAG.map((shrink) => ({ shrink })), { preallocation: 7 }],
      ],
    ),
    ...both(
      'capabilities.snapshots.create',
      ['name', {}],
      [NO_NAME, [...NO_OPTIONS, { date: '2020-01-01' }, { date: new Date(Number.NaN) }]],
    ),
    ...both('capabilities.snapshots.apply', ['name'], [NO_NAME]),
    ...both('capabilities.snapshots.delete', ['name'], [NO_NAME]),
    ...both(
      'capabilities.bitmaps.create',
      ['name', {}],
      [NO_NAME, [...NO_OPTIONS, ...flags, { granularityBytes: '64k' }]],
    ),
    ...['remove', 'enable', 'disable', 'clear', 'dirtyRanges'].flatMap((method) =>
      both(`capabilities.bitmaps.${method}`, ['name'], [NO_NAME]),
    ),
    ...both(
      'capabilities.bitmaps.merge',
      ['name', []],
      [NO_NAME, [undefined, null, 'name', [7], [null]]],
    ),
    ...both(
      'capabilities.bitmaps.mark',
      ['name', []],
      [NO_NAME, [undefined, null, 7, [null], [{}], [{ guestOffset: '0', lengthBytes: 1 }]]],
    ),
    ...both(
      'capabilities.compression.write',
      [new Uint8Array(65_536), 0, {}],
      [NO_BYTES, NO_OFFSET, [...NO_OPTIONS, { level: '9' }]],
    ),
    ...both(
      'capabilities.backing.setReference',
      [undefined],
      [[null, 7, 'below', {}, { name: 7 }]],
    ),
    ...both('capabilities.amending.amend', [{}], [[undefined, null, 7, 'compat', { compat: {} }]]),
    ...both('capabilities.vmState.read', [bytes, 0], [NO_BYTES, NO_OFFSET.slice(0, -1)]),
    ...both('capabilities.vmState.write', [bytes, 0], [NO_BYTES, NO_OFFSET.slice(0, -1)]),
  ]);
});

it('filesystems refuse what is no path, and files what are no bytes', async () => {
  const tree = { file: 'text', directory: {} };
  const fileSystem = new FileSystem(new FakeVolume(tree), { synchronous: true });
  const file = fileSystem.openSync('/file');
  const paths = 'stat lstat exists readdir walk readlink realpath open readFile xattrs'.split(' ');
  await expectRefusals(fileSystem as never, [
    ...paths.flatMap((method) => both(method, ['/file'], [NO_NAME])),
    ...both('statfs', ['/file'], [NO_NAME.slice(1)]),
    ...both('readFile', ['/file', {}], [[], [...NO_OPTIONS, { maxBytes: '1' }]]),
    ...both('walk', ['/', {}], [[], NO_OPTIONS]),
    ...both('xattrs', ['/file', {}], [[], [...NO_OPTIONS, { followLinks: 'no' }]]),
  ]);
  await expectRefusals(file as never, both('read', [bytes, 0], [NO_BYTES, NO_OFFSET.slice(0, -1)]));
  const reader = (given: object) => fileSystem.createReadStream('/file', given).getReader().read();
  for (const start of ['0', -1, 0.5]) {
    expect(await failureOf(() => reader({ start }))).toBeInstanceOf(DiskError);
  }
});

it.each<[string, (wrong: never) => unknown, readonly unknown[]]>([
  ['MemoryStorage', (wrong) => new MemoryStorage(wrong), NO_BYTES.slice(1)],
  ['OverlayStorage', (wrong: Storage) => new OverlayStorage(wrong), [undefined, null, 7, {}]],
  ['UserObjects', (wrong) => new UserObjects().define(wrong), NO_NAME],
])('%s refuses what it cannot use', async (_name, make, wrongs) => {
  for (const wrong of wrongs) {
    const error = await failureOf(() => make(wrong as never));
    expect(error).toMatchObject({ code: 'invalid-argument' });
  }
});
