/** Faults that the name of a backing file asks for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import {
  BlockOptions,
  createDiskFileSync,
  openDiskFileSync,
  openGraphSync,
} from '../../src/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'diskfile-faults-'));
const file = (name: string) => join(directory, name);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

createDiskFileSync(file('base'), { format: 'qcow2', sizeBytes: 2 ** 20 });
const base = openDiskFileSync(file('base'), { readOnly: false });
base.writeSync(new Uint8Array(512).fill(1), 0);
base.closeSync();

function readOver(faults: Record<string, unknown>): void {
  const image = { driver: 'file', filename: file('base') };
  const options = { driver: 'qcow2', file: { driver: 'blkdebug', image, ...faults } };
  createDiskFileSync(file('top'), {
    format: 'qcow2',
    sizeBytes: 2 ** 20,
    backing: { name: `json:${JSON.stringify(options)}`, format: 'qcow2' },
    overwrite: true,
  });
  const graph = { driver: 'qcow2', file: { driver: 'file', filename: file('top') } };
  const disk = openGraphSync(BlockOptions.of(graph), { gate: { allow: 'any' } });
  try {
    disk.readSync(new Uint8Array(512), 0);
  } finally {
    disk.closeSync();
  }
}

it('are played', () => {
  expect(() => readOver({})).not.toThrow();
  expect(() => readOver({ 'inject-error': [{ event: 'l1_update' }], align: 4096 })).not.toThrow();
  expect(() => readOver({ 'inject-error': [{ event: 'read_aio' }] })).toThrowError(
    expect.objectContaining({ errno: 'EIO' }),
  );
});

it.each([
  { config: file('secret') },
  { 'max-write-zero': 1 },
  { align: 2 ** 30 },
  { 'opt-discard': 512 },
])('are refused where they do more: %o', (faults) => {
  writeFileSync(file('secret'), 'password\n');
  expect(() => readOver(faults)).toThrowError(
    expect.objectContaining({ code: 'denied', detail: 'graph.blkdebug-in-image' }),
  );
});
