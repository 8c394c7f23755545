import fc from 'fast-check';
import { crc32cRaw, encodeName, writeU16le, writeU32le } from '@diskfile/bytes';
import { runSync } from '@diskfile/core';
import { describe, expect, it } from 'vitest';
import { readFastCommits } from '../src/journal/fast-commit-log.ts';
import { JournalLog } from '../src/journal/log.ts';
import { NameChanges } from '../src/journal/name-changes.ts';
import { BLOCK_BYTES, blockReader, report } from './support/builders.ts';
import { LogBuilder } from './support/log-builder.ts';

const TID = 9;
const HEAD = 9;
const TAIL = 8;
const PAD = 7;

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, index) => writeU32le(bytes, index * 4, value));
  return bytes;
}

function entry(tag: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + value.length);
  writeU16le(bytes, 0, tag);
  writeU16le(bytes, 2, value.length);
  bytes.set(value, 4);
  return bytes;
}

const named = (tag: number, directory: number, inode: number, name: string) =>
  entry(tag, Uint8Array.from([...words(directory, inode), ...encodeName(name)]));

const head = (tid = TID) => entry(HEAD, words(0, tid));

/** One fast commit in blocks of its own, as the kernel writes it: the tail fills the last block. */
function commit(entries: Uint8Array[], tid = TID): Uint8Array {
  let used = Uint8Array.from(entries.flatMap((bytes) => [...bytes]));
  const lengthBytes = Math.ceil((used.length + 12) / BLOCK_BYTES) * BLOCK_BYTES;
  const tail = entry(TAIL, new Uint8Array(lengthBytes - used.length - 4));
  writeU32le(tail, 4, tid);
  writeU32le(tail, 8, crc32cRaw(tail.subarray(0, 8), crc32cRaw(used, 0)));
  used = Uint8Array.from([...used, ...tail]);
  return used;
}

function read(...commits: Uint8Array[]) {
  const area = Uint8Array.from(commits.flatMap((bytes) => [...bytes]));
  const areaBlocks = Math.ceil(area.length / BLOCK_BYTES);
  const disk = new Uint8Array((12 + areaBlocks) * BLOCK_BYTES);
  disk.set(area, 11 * BLOCK_BYTES);
  const shape = {
    checksum: 'v3' as const,
    is64: true,
    logBlocks: 10,
    startBlock: 1,
    sequence: TID,
    withUuids: false,
  };
  const builder = new LogBuilder(disk, 0, shape);
  const journal = {
    ...builder.journal,
    fastCommitStart: 11,
    fastCommitEnd: 11 + areaBlocks,
  };
  const log = new JournalLog(builder.map, blockReader(disk));
  return runSync(readFastCommits(journal, log, TID, report()));
}

describe('the fast commit area', () => {
  it('gives the operations of each kind', () => {
    const record = new Uint8Array(160).fill(7);
    const { operations, commitCount } = read(
      commit([
        head(),
        named(3, 2, 20, 'created'),
        named(4, 2, 21, 'linked'),
        named(5, 2, 22, 'gone'),
        entry(6, Uint8Array.from([...words(20), ...record])),
        entry(1, words(20, 5, 3 + 1 * 2 ** 16, 1000)),
        entry(1, words(20, 8, 32768 + 2, 2000)),
        entry(2, words(20, 100, 50)),
      ]),
    );
    expect(commitCount).toBe(1);
    expect(operations).toEqual([
      { kind: 'link', directory: 2, inode: 20, name: 'created' },
      { kind: 'link', directory: 2, inode: 21, name: 'linked' },
      { kind: 'unlink', directory: 2, inode: 22, name: 'gone' },
      { kind: 'inode', inode: 20, record },
      {
        kind: 'add-range',
        inode: 20,
        fileBlock: 5,
        blockCount: 3,
        physicalBlock: 2 ** 32 + 1000,
        unwritten: false,
      },
      {
        kind: 'add-range',
        inode: 20,
        fileBlock: 8,
        blockCount: 2,
        physicalBlock: 2000,
        unwritten: true,
      },
      { kind: 'delete-range', inode: 20, fileBlock: 100, blockCount: 50 },
    ]);
  });

  const good = (name: string, first = false) =>
    commit([...(first ? [head()] : []), named(3, 2, 20, name)]);
  const names = (result: ReturnType<typeof read>) =>
    result.operations.map((operation) => ('name' in operation ? operation.name : operation.kind));

  it('goes on over padding and several blocks', () => {
    const padding = entry(PAD, new Uint8Array(BLOCK_BYTES - 4 - 12 - 4 - 8 - 1));
    const padded = commit([head(), named(3, 2, 20, 'a'), padding, named(3, 2, 20, 'b')]);
    expect(padded.length).toBe(2 * BLOCK_BYTES);
    expect(names(read(padded, good('c')))).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['a checksum that does not fit', (bytes: Uint8Array) => (bytes[8]! ^= 1)],
    ['an unknown tag', (bytes: Uint8Array) => (bytes[0] = 99)],
    ['a length that leaves the block', (bytes: Uint8Array) => (bytes[3] = 0xff)],
  ])('ends before a commit with %s', (_, spoil) => {
    const second = good('second');
    spoil(second);
    expect(names(read(good('first', true), second, good('third')))).toEqual(['first']);
  });

  it('ends where commits of an older transaction are left', () => {
    const stale = commit([named(3, 2, 20, 'stale')], TID - 1);
    expect(names(read(good('first', true), stale))).toEqual(['first']);
    expect(read(commit([head(TID - 1), named(3, 2, 20, 'stale')])).commitCount).toBe(0);
  });

  it('needs a head, and one without unknown features', () => {
    expect(read(good('headless')).commitCount).toBe(0);
    expect(read(commit([entry(HEAD, words(1, TID)), named(3, 2, 20, 'x')])).commitCount).toBe(0);
  });

  it('takes nothing of a commit that has no tail', () => {
    const torn = Uint8Array.from([...head(), ...named(3, 2, 20, 'torn')]);
    expect(read(torn)).toMatchObject({ operations: [], commitCount: 0 });
  });
});

describe('changes to names', () => {
  it('keep what is there and remove only what is meant', () => {
    const changes = new NameChanges();
    changes.add('kept', 'link', 30);
    changes.add('renamed', 'unlink', 40);
    changes.add('replaced', 'unlink', 50);
    changes.add('replaced', 'link', 51);
    expect(changes.apply('kept', 31)).toBe(31);
    expect(changes.apply('kept', undefined)).toBe(30);
    expect(changes.apply('renamed', 41)).toBe(41);
    expect(changes.apply('renamed', 40)).toBeUndefined();
    expect(changes.apply('replaced', 50)).toBe(51);
    expect(changes.apply('other', 60)).toBe(60);
    expect([...changes.names()]).toEqual(['kept', 'renamed', 'replaced']);
  });

  it('come to what they come to one after the other', () => {
    const inode = fc.nat(4);
    const change = fc.record({ link: fc.boolean(), inode });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), fc.option(inode), (list, onDisk) => {
        const changes = new NameChanges();
        let now = onDisk ?? undefined;
        for (const { link, inode: changed } of list) {
          changes.add('name', link ? 'link' : 'unlink', changed);
          if (link) now ??= changed;
          else if (now === changed) now = undefined;
        }
        expect(changes.apply('name', onDisk ?? undefined)).toBe(now);
      }),
    );
  });

  it('of one name may be very many, and asked for very often', () => {
    const changes = new NameChanges();
    for (let count = 0; count < 200_000; count++) changes.add('name', 'link', 30);
    // Going through all of them each time takes minutes, which no test has.
    for (let inode = 100; inode < 200_000; inode++) changes.apply('name', inode);
    expect(changes.apply('name', undefined)).toBe(30);
  });
});
