/** `IMAGE:/PATH… DEST`: what is to be copied, and where to. */
import { existsSync, realpathSync, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { UsageError } from '../cli/failure.ts';
import { childPath, type HostPath, hostPath, showPath } from './host-path.ts';

export interface Source {
  readonly image: string;
  readonly guestPath: string;
}

/**
 * An image's name may hold `:/` as well: the first place to split is taken where the left part is
 * a file.
 */
export function parseSource(text: string): Source {
  const splits = [...text.matchAll(/:(?=\/)/g)].map(({ index }) => index).filter((at) => at > 0);
  const at = splits.find((split) => existsSync(text.slice(0, split))) ?? splits[0];
  if (at === undefined) {
    throw new UsageError(`'${text}' names nothing in an image; write IMAGE:/PATH`);
  }
  return { image: text.slice(0, at), guestPath: text.slice(at + 1) };
}

/** Sources by image, so that each is opened once. */
export function groupByImage(sources: readonly Source[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { image, guestPath } of sources) {
    groups.set(image, [...(groups.get(image) ?? []), guestPath]);
  }
  return groups;
}

/** The last operand: a directory to copy into, or the name of the copy. */
export class Destination {
  readonly #path: HostPath;
  readonly #isDirectory: boolean;

  /** @throws UsageError when several sources should become one file */
  constructor(text: string, sourceCount: number) {
    // The user's own links are followed; from here on none is.
    const status = statusOf(text);
    this.#isDirectory = status?.isDirectory() ?? false;
    if (status !== undefined && !status.isDirectory() && !status.isFile()) {
      throw new UsageError(`'${text}' is a special file; send the output of disk-cat to it`);
    }
    if (!this.#isDirectory && (sourceCount > 1 || text.endsWith('/'))) {
      throw new UsageError(`'${text}' is no directory`);
    }
    this.#path = status === undefined ? hostPath(resolve(text)) : realPath(text);
  }

  /** Where the copy of a guest path goes. `/` itself has no name: its content is what is copied. */
  placeOf(guestPath: string): HostPath {
    const name = guestPath.split('/').findLast((part) => part !== '' && part !== '.');
    if (!this.#isDirectory || name === undefined) return this.#path;
    return childPath(this.#path, name);
  }

  toString(): string {
    return showPath(this.#path);
  }
}

function statusOf(text: string): Stats | undefined {
  return statSync(hostPath(text), { throwIfNoEntry: false });
}

function realPath(text: string): HostPath {
  return realpathSync(hostPath(text), { encoding: 'buffer' });
}
