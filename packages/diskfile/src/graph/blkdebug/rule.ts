/** What is to happen at an event. */
import type { StorageEvent } from '@diskfile/core';

export const IO_TYPES = [
  'read',
  'write',
  'write-zeroes',
  'discard',
  'flush',
  'block-status',
] as const;
export type IoType = (typeof IO_TYPES)[number];

interface RuleBase {
  readonly event: StorageEvent;
  /** The state in which the rule holds; 0 for any. */
  readonly state: number;
}

/** From the event on, requests fail. */
export interface FailRule extends RuleBase {
  readonly action: 'fail';
  readonly errno: number;
  /** Whether one failure is enough. */
  readonly once: boolean;
  /** A byte that a request has to touch; undefined for any request. */
  readonly offset: number | undefined;
  readonly ioTypes: readonly IoType[];
}

/** With the event, another state begins. */
export interface StateRule extends RuleBase {
  readonly action: 'go';
  readonly newState: number;
}

/** The request that comes to the event waits there. */
export interface StopRule extends RuleBase {
  readonly action: 'stop';
  readonly tag: string;
}

export type Rule = FailRule | StateRule | StopRule;
