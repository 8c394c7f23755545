import { SeededRandom } from '@diskfile/testkit';
import { describe, expect, it } from 'vitest';
import { endOf, firstChangeAfter, type LogChange, settleChanges } from '../src/log-changes.ts';

const PAGE = 4096;
const PAGES = 24;

function randomChanges(random: SeededRandom, count: number): LogChange[] {
  return Array.from({ length: count }, (_, index): LogChange => {
    const page = random.below(PAGES);
    const fileOffset = page * PAGE;
    if (random.below(3) > 0) {
      return { kind: 'data', fileOffset, bytes: new Uint8Array(PAGE).fill(index + 1) };
    }
    const lengthBytes = random.below(PAGES - page + 1) * PAGE;
    return { kind: 'zero', fileOffset, lengthBytes };
  });
}

/** A byte for each page, 0xee where nothing has been changed. */
function applied(changes: readonly LogChange[]): Uint8Array {
  const file = new Uint8Array(PAGES).fill(0xee);
  for (const change of changes) {
    const byte = change.kind === 'zero' ? 0 : change.bytes[0]!;
    file.fill(byte, change.fileOffset / PAGE, endOf(change) / PAGE);
  }
  return file;
}

describe('settled changes of a log', () => {
  it('do the same, and nothing twice', () => {
    const random = new SeededRandom(1);
    for (let run = 0; run < 300; run++) {
      const changes = randomChanges(random, random.below(30));
      const settled = settleChanges(changes);
      expect(applied(settled)).toEqual(applied(changes));
      for (const [index, change] of settled.entries()) {
        expect(change.fileOffset).toBeGreaterThanOrEqual(
          index === 0 ? 0 : endOf(settled[index - 1]!),
        );
        expect(firstChangeAfter(settled, change.fileOffset)).toBe(index);
        expect(firstChangeAfter(settled, endOf(change))).toBe(index + 1);
      }
    }
  });

  it('take no time to speak of, however many there are', () => {
    const lengthBytes = 2 ** 40;
    const changes = Array.from({ length: 2 ** 17 }, (_, index): LogChange => {
      return { kind: 'zero', fileOffset: index * PAGE, lengthBytes: lengthBytes - index * PAGE };
    });
    const start = process.cpuUsage();
    expect(settleChanges(changes).length).toBe(changes.length);
    expect(settleChanges(changes.toReversed()).length).toBe(1);
    const { user } = process.cpuUsage(start);
    expect(user / 1e6).toBeLessThan(2);
  });
});
