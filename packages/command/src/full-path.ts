/** Paths from the root, also where there is no place that others would be meant from. */
import { isAbsolute, resolve } from 'node:path';

/** Undefined once it is gone. */
export function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/** The path as it is where the working directory is gone: nothing lies in it any more. */
export function fullPath(path: string): string {
  if (isAbsolute(path)) return resolve(path);
  const directory = workingDirectory();
  return directory === undefined ? path : resolve(directory, path);
}
