/** Which requests fail or stop, by rules that events bring into force. */
import { getSystemErrorName } from 'node:util';
import { DiskError, type DiskErrorCode } from '@diskfile/bytes';
import type { StorageEvent } from '@diskfile/core';
import { isEvent } from './rule-parsing.ts';
import type { FailRule, IoType, Rule } from './rule.ts';

const CODES: Readonly<Record<string, DiskErrorCode>> = {
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'read-only',
  ENOTSUP: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  ENOENT: 'not-found',
  EBUSY: 'busy',
};

/** A request that waits at an event. */
interface StoppedRequest {
  readonly tag: string;
  goOn(): void;
}

/** Told of requests that stop and go on, and of space that is leaked. */
export interface FaultListener {
  stopped(tag: string): void;
  goesOn(tag: string): void;
  leaked(reason: DiskError): void;
}

/** Breakpoints, and the requests that wait at them. */
export interface Breakpoints {
  listener: FaultListener | undefined;
  /** A moment that nobody is told of for now. */
  skipped: StorageEvent | undefined;
  /** Stops the next request that comes to the event. False for an event that there is not. */
  add(event: string, tag: string): boolean;
  /** Takes breakpoints back, and lets requests go on. False where there is no such breakpoint. */
  remove(tag: string): boolean;
  /** Lets a request go on. False where none waits under that tag. */
  resume(tag: string): boolean;
  isStopped(tag: string): boolean;
  /** Resolves once a request waits under that tag. */
  whenStopped(tag: string): Promise<void>;
  /** Takes all breakpoints back and lets all requests go on. */
  clear(): void;
}

export class FaultScript implements Breakpoints {
  listener: FaultListener | undefined;
  skipped: StorageEvent | undefined;
  readonly #path: string;
  #rules: Rule[];
  /** Failures in force, the one to be tried first at the front. */
  #active: FailRule[] = [];
  #state = 1;
  readonly #stopped: StoppedRequest[] = [];
  #waiting: { readonly tag: string; resolve(): void }[] = [];

  constructor(rules: readonly Rule[], path: string) {
    this.#rules = [...rules];
    this.#path = path;
  }

  /** Performs the rules for an event. @returns tags under which the request has to wait */
  fire(event: StorageEvent): readonly string[] {
    if (this.#rules.length === 0 || event === this.skipped) return [];
    const tags: string[] = [];
    const stops: Rule[] = [];
    const failures: FailRule[] = [];
    let nextState = this.#state;
    for (const rule of this.#rules) {
      if (rule.event !== event || (rule.state !== 0 && rule.state !== this.#state)) continue;
      if (rule.action === 'fail') failures.unshift(rule);
      else if (rule.action === 'go') nextState = rule.newState;
      else {
        tags.push(rule.tag);
        stops.push(rule);
      }
    }
    if (failures.length > 0) this.#active = failures;
    if (stops.length > 0) this.#rules = this.#rules.filter((rule) => !stops.includes(rule));
    this.#state = nextState;
    return tags;
  }

  /** Waits under each tag until told to go on. */
  async stop(tags: readonly string[]): Promise<void> {
    const released = tags.map(
      (tag) => new Promise<void>((goOn) => void this.#stopped.push({ tag, goOn })),
    );
    for (const tag of tags) {
      this.listener?.stopped(tag);
      for (const { resolve } of this.#waiting.filter((each) => each.tag === tag)) resolve();
      this.#waiting = this.#waiting.filter((each) => each.tag !== tag);
    }
    await Promise.all(released);
  }

  /** @throws DiskError that a rule in force has for the request */
  check(ioType: IoType, offset: number, lengthBytes: number): void {
    if (this.#active.length === 0) return;
    const rule = this.#active.find(
      ({ offset: place, ioTypes }) =>
        ioTypes.includes(ioType) &&
        (place === undefined || (place >= offset && place < offset + lengthBytes)),
    );
    if (rule === undefined || rule.errno === 0) return;
    if (rule.once) {
      this.#active = this.#active.filter((each) => each !== rule);
      this.#rules = this.#rules.filter((each) => each !== rule);
    }
    throw this.#failure(rule.errno, ioType, offset);
  }

  #failure(errno: number, op: string, offset: number): DiskError {
    const name = errorName(errno);
    return new DiskError(CODES[name] ?? 'io', 'storage.injected', `${name} on purpose`, {
      op,
      path: this.#path,
      offset,
      layer: 'storage',
      cause: Object.assign(new Error('injected'), { code: name }),
    });
  }

  add(event: string, tag: string): boolean {
    if (!isEvent(event)) return false;
    this.#rules.unshift({ action: 'stop', event, state: 0, tag });
    return true;
  }

  remove(tag: string): boolean {
    const left = this.#rules.filter((rule) => rule.action !== 'stop' || rule.tag !== tag);
    const found = left.length < this.#rules.length;
    this.#rules = left;
    while (this.resume(tag));
    return found;
  }

  resume(tag: string): boolean {
    const place = this.#stopped.findIndex((request) => request.tag === tag);
    if (place === -1) return false;
    const [request] = this.#stopped.splice(place, 1);
    this.listener?.goesOn(tag);
    request!.goOn();
    return true;
  }

  isStopped(tag: string): boolean {
    return this.#stopped.some((request) => request.tag === tag);
  }

  async whenStopped(tag: string): Promise<void> {
    if (this.isStopped(tag)) return;
    await new Promise<void>((resolve) => void this.#waiting.push({ tag, resolve }));
  }

  clear(): void {
    this.#rules = this.#rules.filter(({ action }) => action !== 'stop');
    for (const { goOn } of this.#stopped.splice(0)) goOn();
  }
}

function errorName(errno: number): string {
  try {
    const name = getSystemErrorName(-Math.abs(errno));
    return /^E[A-Z0-9]+$/.test(name) ? name : 'EIO';
  } catch {
    return 'EIO';
  }
}
