/** Errors that travel between threads. */
import { DiskError } from '@diskfile/bytes';
import { expect, it } from 'vitest';
import { fromErrorMessage, toErrorMessage } from '../src/workers/error-message.ts';

function travelled(error: unknown): Error {
  return fromErrorMessage(structuredClone(toErrorMessage(error)));
}

it('keeps all of a DiskError, and its causes', () => {
  const host = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  const inner = new DiskError('io', 'storage.read', 'Reading failed', { path: 'x', cause: host });
  const error = new DiskError('corrupt', 'qcow2.l2-entry', 'Bad entry', {
    path: 'x.qcow2',
    offset: 77,
    hint: 'Check it.',
    cause: inner,
  });
  const received = travelled(error);
  expect(received).toBeInstanceOf(DiskError);
  expect((received as DiskError).toJSON()).toEqual(error.toJSON());
  expect(received.stack).toBe(error.stack);
  expect(received.cause).toBeInstanceOf(DiskError);
  expect((received.cause as DiskError).toJSON()).toEqual(inner.toJSON());
  expect((received as DiskError).errno).toBe('ENOSPC');
  expect((received.cause as DiskError).cause).toMatchObject({
    message: 'no space',
    code: 'ENOSPC',
  });
});

it('keeps the name and code of other errors', () => {
  const received = travelled(Object.assign(new TypeError('odd'), { code: 'ERR_ODD' }));
  expect(received).not.toBeInstanceOf(DiskError);
  expect(received).toMatchObject({ name: 'TypeError', message: 'odd', code: 'ERR_ODD' });
});

it('makes an error of whatever else was thrown', () => {
  expect(travelled('text').message).toBe('text');
  expect(travelled(undefined).message).toBe('undefined');
});

it('does not follow causes without end', () => {
  const error = new Error('round');
  error.cause = error;
  let received: unknown = travelled(error);
  let causes = 0;
  while (received instanceof Error) {
    received = received.cause;
    causes += 1;
  }
  expect(causes).toBeLessThan(20);
});
