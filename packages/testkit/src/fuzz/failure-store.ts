/** Failing inputs on disk: `<hash>.bin` to be run again, `<hash>.json` to be read. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, type FuzzInput } from './fuzz-input.ts';
import type { Failure } from './run-input.ts';

/** Where a failure came from. */
export interface FailureOrigin {
  readonly target: string;
  readonly seed: number;
  readonly index: number;
}

/** Saves an input that failed; returns the path of its bytes. */
export function saveFailure(
  folder: string,
  origin: FailureOrigin,
  input: FuzzInput,
  failure: Failure,
): string {
  const directory = join(folder, origin.target);
  mkdirSync(directory, { recursive: true });
  const bytes = bytesOf(input);
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const { seedImage, mutations, choices } = input;
  const facts = { ...origin, seedImage: seedImage.name, failure, mutations, choices };
  writeFileSync(join(directory, `${hash}.json`), `${JSON.stringify(facts, undefined, 2)}\n`);
  const path = join(directory, `${hash}.bin`);
  writeFileSync(path, bytes);
  return path;
}

export interface SavedInput {
  readonly target: string;
  readonly bytes: Uint8Array;
  readonly choices: readonly number[];
}

/** Reads a saved failure by the path of either of its files. */
export function loadFailure(path: string): SavedInput {
  const base = path.replace(/\.(bin|json)$/, '');
  const facts = JSON.parse(readFileSync(`${base}.json`, 'utf8')) as SavedInput;
  return { target: facts.target, bytes: readFileSync(`${base}.bin`), choices: facts.choices };
}
