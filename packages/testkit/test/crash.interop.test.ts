/** A sample of what a loss of power leaves is shown to qemu-img. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { haveTools, QCOW2_WORKLOADS, runCrashes, type SubjectFiles } from '../src/index.ts';

/** Of the states of each workload. */
const SAMPLE = Number(process.env['CRASH_SAMPLE'] ?? 24);
const STATES_PER_POINT = 6;
/** Exit codes of qemu-img check. */
const CLEAN = 0;
const LEAKS = 3;

describe.skipIf(!haveTools('qemu-img', 'qemu-io'))('to qemu-img, what a crash leaves', () => {
  const directory = mkdtempSync(join(tmpdir(), 'crash-interop-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each(QCOW2_WORKLOADS.map((workload) => [workload.name, workload] as const))(
    'has leaks at most: %s',
    (_, workload) => {
      const options = { statesPerPoint: STATES_PER_POINT, seed: 2 };
      const faults: string[] = [];
      const states: HostFile[][] = [];
      runCrashes(workload, {
        ...options,
        onState: (files) => void states.push(hostFilesOf(files)),
      });
      const step = Math.max(1, Math.floor(states.length / SAMPLE));
      for (let index = 0; index < states.length; index += step) {
        const fault = qemuFault(directory, states[index]!);
        if (fault !== undefined) faults.push(`state ${index}: ${fault}`);
      }
      expect(faults).toEqual([]);
    },
  );
});

interface HostFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

function hostFilesOf(files: SubjectFiles): HostFile[] {
  return files.names.map((name) => ({ name, bytes: files.bytes(name) }));
}

/** What qemu-img has against an image; nothing when it finds leaks at most. */
function qemuFault(directory: string, files: readonly HostFile[]): string | undefined {
  for (const { name, bytes } of files) writeFileSync(join(directory, name), bytes);
  // Opened for writing, an image with lazy refcounts is counted anew, as its dirty bit demands.
  if (isDirty(files[0]!.bytes)) run(directory, 'qemu-io', ['-f', 'qcow2', '-c', 'quit', 'image']);
  const { status, output } = run(directory, 'qemu-img', ['check', '-f', 'qcow2', 'image']);
  return status === CLEAN || status === LEAKS ? undefined : output;
}

function run(cwd: string, tool: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(tool, args, { cwd, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** Bit 0 of the incompatible features, which version 2 does not have. */
function isDirty(image: Uint8Array): boolean {
  const view = new DataView(image.buffer, image.byteOffset);
  return view.getUint32(4) === 3 && view.getUint8(79) % 2 === 1;
}
