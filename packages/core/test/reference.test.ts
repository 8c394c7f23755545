import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { parseImageName, quote } from '../src/index.ts';

const file = (filename: string, more: object = {}) => ({
  role: 'backing',
  filename,
  offset: 0,
  lengthBytes: undefined,
  format: undefined,
  secret: undefined,
  ...more,
});

describe('names of further files', () => {
  it.each<[string, object]>([
    ['base.qcow2', file('base.qcow2')],
    ['../a b/ü.img', file('../a b/ü.img')],
    ['/abs/base', file('/abs/base')],
    ['./with:colon', file('./with:colon')],
    ['file:base.raw', file('base.raw')],
    ['file:/abs/base.raw', file('/abs/base.raw')],
    ['file:///abs/base.raw', file('/abs/base.raw')],
    ['json:{"driver":"file","filename":"b"}', file('b')],
    ['json:{"file.filename":"b"}', file('b')],
    [
      'json:{"driver":"qcow2","file.driver":"file","file.filename":"b"}',
      file('b', { format: 'qcow2' }),
    ],
    [
      'json:{"driver":"qcow2","file":{"driver":"file","filename":"b"}}',
      file('b', { format: 'qcow2' }),
    ],
    [
      'json:{"driver":"raw","offset":"512","size":1024,"file":{"driver":"file","filename":"b"}}',
      file('b', { format: 'raw', offset: 512, lengthBytes: 1024 }),
    ],
    [
      'json:{"driver":"raw","offset":"1M","size":"2k","file":{"driver":"file","filename":"b"}}',
      file('b', { format: 'raw', offset: 1_048_576, lengthBytes: 2048 }),
    ],
    [
      'json:{"driver":"raw","offset":512,"size":512,"file":{"driver":"raw","offset":"1k","size":2048,"file":{"filename":"b"}}}',
      file('b', { format: 'raw', offset: 1536, lengthBytes: 512 }),
    ],
    [
      'json:{"driver":"raw","offset":512,"file":{"driver":"raw","offset":1024,"size":2048,"file":{"filename":"b"}}}',
      file('b', { format: 'raw', offset: 1536, lengthBytes: 1536 }),
    ],
    [
      'json:{"file":{"driver":"raw","offset":512,"file":{"filename":"b"}}}',
      file('b', { offset: 512 }),
    ],
    [
      'json:{"driver":"qcow2","file":{"driver":"raw","offset":512,"file":{"filename":"b"}}}',
      file('b', { format: 'qcow2', offset: 512 }),
    ],
    [
      'json:{"driver":"raw","file":{"driver":"host_device","filename":"/dev/x"}}',
      file('/dev/x', { format: 'raw' }),
    ],
    [
      'json:{"driver":"qcow2","encrypt.key-secret":"s","file.filename":"b"}',
      file('b', { format: 'qcow2', secret: 's' }),
    ],
    [
      'json:{"driver":"qcow2","encrypt":{"key-secret":"s"},"file.filename":"b"}',
      file('b', { format: 'qcow2', secret: 's' }),
    ],
    [
      'json:{"driver":"luks","key-secret":"s","file":{"filename":"b"}}',
      file('b', { format: 'luks', secret: 's' }),
    ],
    ['json:{"encrypt":7,"key-secret":[],"file.filename":"b"}', file('b')],
  ])('%s', (name, expected) => {
    expect(parseImageName(name, 'backing')).toEqual(expected);
  });

  it.each([
    ['nbd://host/export', 'unsupported'],
    ['https://example.org/x.qcow2', 'unsupported'],
    ['fat:rw:/dir', 'unsupported'],
    ['', 'corrupt'],
    ['a\0b', 'corrupt'],
    ['json:', 'corrupt'],
    ['json:[]', 'corrupt'],
    ['json:{"driver":"nbd","host":"h"}', 'corrupt'],
    ['json:{"driver":"qcow2","file":"node"}', 'corrupt'],
    ['json:{"file":{"file":{"file":{"file":{"file":{}}}}}}', 'corrupt'],
    ['json:{"__proto__":{"filename":"x"}}', 'corrupt'],
    ['json:{"driver":"raw","file":{"driver":"qcow2","file":{"filename":"b"}}}', 'corrupt'],
    ['json:{"file":{"driver":"qcow2","file":{"filename":"b"}}}', 'corrupt'],
    ['json:{"driver":"raw","offset":"1.5k","file":{"filename":"b"}}', 'corrupt'],
    ['json:{"driver":"raw","offset":-512,"file":{"filename":"b"}}', 'corrupt'],
    ['json:{"driver":"raw","size":null,"file":{"filename":"b"}}', 'corrupt'],
    ['json:{"driver":"raw","size":"9999999999P","file":{"filename":"b"}}', 'corrupt'],
    [
      'json:{"driver":"raw","size":10240,"file":{"driver":"raw","size":512,"file":{"filename":"b"}}}',
      'corrupt',
    ],
  ])('%s is refused', (name, code) => {
    expect(() => parseImageName(name, 'backing')).toThrowError(DiskError);
    expect(() => parseImageName(name, 'backing')).toThrowError(
      expect.objectContaining({ code }) as Error,
    );
  });

  it('never throws anything but DiskError', () => {
    const name = fc.oneof(
      fc.string(),
      fc.string().map((text) => `json:${text}`),
      fc.json().map((text) => `json:${text}`),
    );
    fc.assert(
      fc.property(name, (text) => {
        try {
          expect(parseImageName(text, 'backing').filename).not.toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(DiskError);
        }
      }),
    );
  });

  it('prints names without control characters and without end', () => {
    expect(quote('a\u001b[31m\n')).toBe('"a\\u001b[31m\\n"');
    expect(quote('x'.repeat(5000)).length).toBeLessThan(300);
  });
});
