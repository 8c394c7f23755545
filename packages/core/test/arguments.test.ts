/** What callers in plain JavaScript may get wrong. */
import { describe, expect, it } from 'vitest';
import { DiskError } from '@diskfile/bytes';
import { checkFields, checkOptions, type OptionKinds } from '../src/index.ts';

interface Options {
  readonly writable?: boolean;
  readonly format?: string;
}
const KINDS: OptionKinds<Options> = { writable: 'flag', format: 'text' };

function refusal(check: () => void): DiskError {
  try {
    check();
  } catch (error) {
    if (error instanceof DiskError) return error;
  }
  throw new Error('nothing is refused');
}

describe('options', () => {
  it('are refused when there are none of that name', () => {
    const error = refusal(() => checkOptions('open', { writeable: true } as Options, KINDS));
    expect(error).toMatchObject({ code: 'invalid-argument', detail: 'argument.writeable' });
    expect(error.message).toBe('There is no option "writeable"');
    expect(error.hint).toBe('The options are: format, writable.');
  });

  it('are named within the option that they belong to', () => {
    const check = (): void => checkOptions('open', { x: 1 } as Options, KINDS, [], 'limits');
    expect(refusal(check).detail).toBe('argument.limits.x');
  });

  it('may be left undefined, whatever their names', () => {
    const options = { writable: undefined, other: undefined } as unknown as Options;
    expect(() => checkOptions('open', options, KINDS)).not.toThrow();
  });
});

it('takes objects that have more than is used of them', () => {
  const wide = { format: 'raw', other: 1 };
  expect(() => checkFields('open', wide as Options, KINDS, ['format'], 'image')).not.toThrow();
  const check = (): void => checkFields('open', {} as Options, KINDS, ['format'], 'image');
  expect(refusal(check).detail).toBe('argument.image.format');
});
