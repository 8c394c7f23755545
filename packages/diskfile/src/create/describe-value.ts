/** Arguments in messages. */
import { quote } from '@diskfile/core';

/** An argument, which need not have the type that it should have. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  return typeof value === 'bigint' ? `${value}n` : String(value);
}
