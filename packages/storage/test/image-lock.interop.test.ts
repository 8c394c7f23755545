import { join } from 'node:path';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type DiskWarning, runSync } from '@diskfile/core';
import { openFileStorage } from '../src/index.ts';
import { tempDirectory } from './support/temp.ts';

const directory = tempDirectory();
/** Of raw images qemu-io claims less for itself than a virtual machine does. */
const path = join(directory, 'image.qcow2');
beforeAll(() => void execFileSync('qemu-img', ['create', '-f', 'qcow2', path, '1M']));

let running: ChildProcess | undefined;
afterEach(async () => {
  const process = running;
  running = undefined;
  if (process === undefined || process.exitCode !== null) return;
  const ended = new Promise((resolve) => process.once('exit', resolve));
  process.stdin!.end();
  await ended;
});

/** A qemu-io that has the image open and waits for commands; it has answered one already. */
async function qemuHolds(...args: string[]): Promise<void> {
  running = spawn('qemu-io', ['-f', 'qcow2', ...args, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    running!.stdout!.once('data', () => resolve());
    running!.once('exit', (code) => reject(new Error(`qemu-io ended with ${code}`)));
    running!.stdin!.write('length\n');
  });
}

function qemuOpens(...args: string[]): boolean {
  try {
    execFileSync('qemu-io', ['-f', 'qcow2', ...args, '-c', 'length', path], { stdio: 'pipe' });
    return true;
  } catch (error) {
    expect(String((error as { stderr: unknown }).stderr)).toMatch(/Failed to get .* lock/);
    return false;
  }
}

/** `busy`, or how many warnings there were. */
function diskfileOpens(writable: boolean, forceShare = false): 'busy' | number {
  const warnings: DiskWarning[] = [];
  const locking = { forceShare, warn: (warning: DiskWarning) => void warnings.push(warning) };
  try {
    runSync(openFileStorage(path, { writable, locking })).closeSync();
    return warnings.length;
  } catch (error) {
    expect(error).toMatchObject({ detail: 'storage.locked' });
    return 'busy';
  }
}

describe('QEMU and diskfile', () => {
  it('a QEMU that writes keeps writers and readers off', async () => {
    await qemuHolds();
    expect(diskfileOpens(true)).toBe('busy');
    expect(diskfileOpens(false)).toBe('busy');
    expect(diskfileOpens(false, true)).toBe(1);
  });

  it('a QEMU that reads keeps writers off', async () => {
    await qemuHolds('-r');
    expect(diskfileOpens(true)).toBe('busy');
    expect(diskfileOpens(false)).toBe(0);
    expect(diskfileOpens(false, true)).toBe(0);
  });

  it('a QEMU that shares by force keeps nobody off', async () => {
    await qemuHolds('-r', '-U');
    expect(diskfileOpens(true)).toBe(0);
  });

  it.each([
    { writable: true, forceShare: false, lets: { write: false, read: false, force: true } },
    { writable: false, forceShare: false, lets: { write: false, read: true, force: true } },
    { writable: false, forceShare: true, lets: { write: true, read: true, force: true } },
  ])('diskfile (writable $writable, force $forceShare) lets QEMU $lets', (given) => {
    const { writable, forceShare, lets } = given;
    const locking = { forceShare, warn: () => {} };
    const storage = runSync(openFileStorage(path, { writable, locking }));
    const write = qemuOpens();
    const read = qemuOpens('-r');
    const force = qemuOpens('-r', '-U');
    storage.closeSync();
    expect({ write, read, force }).toEqual(lets);
  });
});
