import { describe, expect, it } from 'vitest';
import { DISK_ERROR_ERRNO, DiskError, type DiskErrorCode } from '../src/index.ts';

describe('DiskError', () => {
  it.each(Object.entries(DISK_ERROR_ERRNO))('maps %s to %s', (code, errno) => {
    expect(new DiskError(code as DiskErrorCode, 'a.b', 'm').errno).toBe(errno);
  });

  it("keeps the host's errno, through another DiskError too", () => {
    const host = Object.assign(new Error('disk on fire'), { code: 'EREMOTEIO' });
    const inner = new DiskError('io', 'storage.host', 'Cannot read x', { cause: host });
    const outer = new DiskError('corrupt', 'a.b', 'm', { cause: inner });
    expect([inner.errno, outer.errno]).toEqual(['EREMOTEIO', 'EREMOTEIO']);
    expect(inner.cause).toBe(host);
  });

  it('takes no other code for an errno', () => {
    const foreign = Object.assign(new Error('x'), { code: 'ERR_OUT_OF_RANGE' });
    for (const cause of [foreign, { code: 5 }, 'text', null]) {
      expect(new DiskError('io', 'a.b', 'm', { cause }).errno).toBe('EIO');
    }
  });

  it('adds what outer layers know and keeps what inner ones said', () => {
    const error = new DiskError('corrupt', 'a.b', 'm', { offset: 7, layer: 'format' });
    const returned = error.addContext({ offset: 9, path: '/x', layer: 'engine' });
    expect(returned).toBe(error);
    expect(error.context).toEqual({ offset: 7, layer: 'format', path: '/x' });
    expect(error.addContext({}).context).toEqual({ offset: 7, layer: 'format', path: '/x' });
  });

  it('describes itself in one line: what, where, what to do', () => {
    const error = new DiskError('corrupt', 'a.b', 'The table is bad', {
      path: '/img',
      guestPath: '/etc/hosts',
      offset: 512,
      hint: 'Check the image.',
    });
    expect(error.describe()).toBe(
      'The table is bad (/img, guest path /etc/hosts, offset 512). Check the image.',
    );
  });

  it('repeats in its description nothing that the message says', () => {
    const options = { path: '/img', hint: 'Check the path.' };
    const error = new DiskError(
      'not-found',
      'a.b',
      'Cannot open /img: there is no such file',
      options,
    );
    expect(error.describe()).toBe('Cannot open /img: there is no such file. Check the path.');
    expect(new DiskError('io', 'a.b', 'It ended.').describe()).toBe('It ended.');
  });

  it('becomes JSON without losing its parts', () => {
    const options = { path: '/img', hint: 'Try again.', cause: new Error('inside') };
    const error = new DiskError('busy', 'a.b', 'Locked', options);
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'DiskError',
      code: 'busy',
      detail: 'a.b',
      errno: 'EBUSY',
      message: 'Locked',
      hint: 'Try again.',
      context: { path: '/img' },
      cause: 'inside',
    });
    expect(JSON.parse(JSON.stringify(new DiskError('io', 'a.b', 'm')))).not.toHaveProperty('hint');
  });

  it('is an Error with a stack that names it', () => {
    const error = new DiskError('io', 'a.b', 'm');
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe('DiskError');
    expect(error.stack).toContain('disk-error.test.ts');
  });
});
