/** What a call is refused with, for tests to compare. */
import { DiskError } from '@diskfile/bytes';

/** Detail of the refusal. */
export function detailOf(body: () => unknown): string {
  return errorOf(body)?.detail ?? 'nothing was refused';
}

/** Code and detail of the refusal. */
export function refusalOf(body: () => unknown): string {
  const error = errorOf(body);
  return error === undefined ? 'nothing was refused' : `${error.code} ${error.detail}`;
}

function errorOf(body: () => unknown): DiskError | undefined {
  try {
    body();
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
  return undefined;
}
