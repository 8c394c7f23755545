import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandTweaks, xorInto } from '../src/index.ts';

describe('xorInto', () => {
  it('is its own inverse, wherever the arrays lie', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(bytes, fc.nat(7), fc.nat(7), (content, at, maskAt) => {
        const target = new Uint8Array(content.length + at).subarray(at);
        target.set(content);
        const mask = new Uint8Array(content.length + maskAt).subarray(maskAt);
        mask.forEach((_, index) => (mask[index] = index * 37 + 11));
        xorInto(target, mask);
        expect([...target]).toEqual([...content].map((byte, index) => byte ^ mask[index]!));
        xorInto(target, mask);
        expect(target).toEqual(content);
      }),
    );
  });
});

describe('expandTweaks', () => {
  /** The multiplication as IEEE 1619-2007, section 5.2, spells it: byte by byte. */
  function multiply(tweak: readonly number[]): number[] {
    const carry = tweak[15]! >> 7;
    const doubled = tweak.map((byte, at) => ((byte << 1) & 0xff) | (tweak[at - 1]! >> 7));
    doubled[0] = ((tweak[0]! << 1) & 0xff) ^ (carry * 0x87);
    return doubled;
  }

  it('multiplies from block to block', () => {
    const units = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(units, (first) => {
        const tweaks = new Uint8Array(2 * 32 * 16);
        expandTweaks(first, 32, tweaks);
        for (const unit of [0, 1]) {
          let expected = [...first.subarray(unit * 16, unit * 16 + 16)];
          for (let block = 0; block < 32; block++) {
            const at = (unit * 32 + block) * 16;
            expect([...tweaks.subarray(at, at + 16)]).toEqual(expected);
            expected = multiply(expected);
          }
        }
      }),
    );
  });
});
