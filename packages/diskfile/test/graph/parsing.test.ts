import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createCipheriv, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  BlockOptions,
  DiskError,
  parseByteSize,
  parseDiskName,
  parseKeyval,
  UserObjects,
} from '../../src/index.ts';

const work = mkdtempSync(join(tmpdir(), 'diskfile-graph-'));
afterAll(() => rmSync(work, { recursive: true }));

function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof DiskError) return error.message;
    throw error;
  }
  return 'accepted';
}

/** All options that are left, sorted by name. */
function allOf(options: BlockOptions): Record<string, unknown> {
  const rest = options.copy();
  const found: [string, unknown][] = [];
  for (let name = rest.leftOver; name !== undefined; name = rest.leftOver) {
    found.push([name, rest.take(name)]);
  }
  return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

describe('options of a command line', () => {
  it('undoubles commas and implies the first key', () => {
    expect(allOf(parseKeyval('secret,id=a,data=x,,y=z,,', 'qom-type'))).toEqual({
      'qom-type': 'secret',
      id: 'a',
      data: 'x,y=z,',
    });
    expect(allOf(parseKeyval('a=b,'))).toEqual({ a: 'b' });
    expect(allOf(parseKeyval(''))).toEqual({});
  });

  it('tells of words that stand alone', () => {
    const words: string[] = [];
    const options = parseKeyval('driver=raw,foo,,x', undefined, {
      onShortForm: (word) => void words.push(word),
    });
    expect(words).toEqual(['foo,x']);
    expect(allOf(options)).toEqual({ driver: 'raw', 'foo,x': 'on' });
  });

  it('keeps any value', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}$/);
    fc.assert(
      fc.property(fc.dictionary(name, fc.string()), (given) => {
        const text = Object.entries(given)
          .map(([key, value]) => `${key}=${value.replaceAll(',', ',,')}`)
          .join(',');
        expect(allOf(parseKeyval(text))).toEqual({ ...given });
      }),
      { numRuns: 300 },
    );
  });

  it('bounds their number and length', () => {
    const many = Array.from({ length: 5000 }, (_, index) => `a${index}=1`).join(',');
    expect(refusal(() => parseKeyval(many))).toBe('More than 4096 options');
    expect(refusal(() => parseKeyval('a'.repeat(2 ** 21)))).toBe('The options are too long');
  });
});

describe('names of disks', () => {
  it.each([
    ['a/b', { 'file.filename': 'a/b' }],
    ['./a:b', { 'file.filename': './a:b' }],
    ['file:a:b', { 'file.driver': 'file', 'file.filename': './a:b' }],
    ['file:///a', { 'file.driver': 'file', 'file.filename': '/a' }],
    ['null-co://', { 'file.driver': 'null-co' }],
    [
      'blkdebug::a',
      {
        'file.driver': 'blkdebug',
        'file.image.filename': 'a',
      },
    ],
    [
      'blkdebug:c:blkverify:r:json',
      {
        'file.driver': 'blkdebug',
        'file.config': 'c',
        'file.image.driver': 'blkverify',
        'file.image.raw.filename': 'r',
        'file.image.test.file.filename': 'json',
      },
    ],
    ['json:{"driver":"raw","file.filename":"x"}', { driver: 'raw', 'file.filename': 'x' }],
    [
      "json:{'driver':'quorum','children':[{'driver':'null-co'},{'file':{'filename':'y'}}]}",
      { driver: 'quorum', 'children.0.driver': 'null-co', 'children.1.file.filename': 'y' },
    ],
  ])('reads %s', (name, expected) => {
    expect(allOf(parseDiskName(name))).toEqual(expected);
  });

  it.each([
    ['nbd:localhost:1', "Unknown protocol 'nbd'"],
    ['http://x/y', "Unknown protocol 'http'"],
    ['foo:bar', "Unknown protocol 'foo'"],
    ['blkdebug:a', 'blkdebug requires both config file and image path'],
    ['null-co:x', "The only allowed filename for this driver is 'null-co://'"],
    ['json:', 'Could not parse the JSON options: Expecting a JSON value'],
    ['json:[1]', 'Invalid JSON object given'],
    ['blkdebug::'.repeat(50_000), 'The name is nested too deeply'],
  ])('refuses %#', (name, message) => {
    expect(refusal(() => parseDiskName(name))).toBe(message);
  });

  it('takes dotted and nested options as the same', () => {
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const tree = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.dictionary(key, fc.oneof({ maxDepth: 3 }, leaf, tie('tree')), { minKeys: 1 }),
    })).tree;
    fc.assert(
      fc.property(tree, (nested) => {
        const flat: Record<string, unknown> = {};
        const walk = (value: object, prefix: string): void => {
          for (const [name, each] of Object.entries(value)) {
            if (typeof each === 'object' && each !== null)
              walk(each as object, `${prefix}${name}.`);
            else flat[prefix + name] = each;
          }
        };
        walk(nested as object, '');
        const one = parseDiskName(`json:${JSON.stringify(nested)}`);
        const other = parseDiskName(`json:${JSON.stringify(flat)}`);
        expect(allOf(one)).toEqual(allOf(other));
      }),
      { numRuns: 300 },
    );
  });
});

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['1k', 1024],
    ['1.5K', 1536],
    ['2M', 2 * 1024 ** 2],
    ['1b', 1],
    ['0x10', 16],
    ['8E', undefined],
    ['1kB', undefined],
    ['-1', undefined],
    ['', undefined],
    ['k', undefined],
    ['1.5', undefined],
    ['0x10k', undefined],
    ['1e3', undefined],
  ])('%s', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });
});

describe('objects', () => {
  const key = randomBytes(32);
  const iv = randomBytes(16);

  function encrypted(text: string): string {
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    return Buffer.concat([cipher.update(text), cipher.final()]).toString('base64');
  }

  function secretOf(...definitions: readonly string[]): string {
    const objects = new UserObjects();
    for (const definition of definitions) objects.define(definition);
    return Buffer.from(objects.secret('s')).toString();
  }

  it('reads secrets in every form', () => {
    const path = join(work, 'secret');
    writeFileSync(path, 'from a file\n');
    expect(secretOf('secret,id=s,data=a,,b')).toBe('a,b');
    expect(secretOf(`secret,id=s,file=${path}`)).toBe('from a file\n');
    expect(secretOf('secret,id=s,format=base64,data=aGVsbG8=')).toBe('hello');
    expect(secretOf('{"qom-type":"secret","id":"s","data":"x"}')).toBe('x');
    expect(
      secretOf(
        `secret,id=k,format=base64,data=${key.toString('base64')}`,
        `secret,id=s,format=base64,data=${encrypted('hidden')},keyid=k,iv=${iv.toString('base64')}`,
      ),
    ).toBe('hidden');
  });

  it.each([
    ['secret', "Parameter 'id' is missing"],
    ['id=a', "Parameter 'qom-type' is missing"],
    ['foo,id=a', "Parameter 'qom-type' does not accept value 'foo'"],
    ['secret,id=a', "Either 'file' or 'data' must be provided"],
    ['secret,id=a,data=b,file=c', "'file' and 'data' are mutually exclusive"],
    ['secret,id=a,data=b,format=c', "Parameter 'format' does not accept value 'c'"],
    ['secret,id=a,data=b,foo=c', "Parameter 'foo' is unexpected"],
    ['secret,id=a,data=b,keyid=c', "No secret with id 'c'"],
    ['secret,id=a,data=%%,format=base64', 'Base64 data contains invalid characters'],
    ['throttle-group,id=x,foo=1', "Parameter 'foo' is unexpected"],
  ])('refuses %s', (definition, message) => {
    expect(refusal(() => new UserObjects().define(definition))).toBe(message);
  });

  it('refuses a name that is taken', () => {
    const objects = new UserObjects();
    objects.define('throttle-group,id=a,limits.iops-total=10');
    expect(refusal(() => objects.define('secret,id=a,data=b'))).toBe(
      "attempt to add duplicate property 'a' to object (type 'container')",
    );
  });

  it('reads no more of a file than a secret can have', () => {
    const message = refusal(() => new UserObjects().define('secret,id=a,file=/dev/zero'));
    expect(message).toMatch(/larger than any secret/);
  });
});
