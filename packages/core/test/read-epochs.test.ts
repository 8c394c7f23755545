import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReadEpochs } from '../src/engine/read-epochs.ts';

describe('read epochs', () => {
  it('call back at once when nothing is being read', () => {
    const epochs = new ReadEpochs();
    let calls = 0;
    epochs.afterCurrentReads(() => (calls += 1));
    expect(calls).toBe(1);
  });

  it('wait for the reads of their time, and for no later ones', () => {
    const epochs = new ReadEpochs();
    const called: string[] = [];
    const first = epochs.begin();
    const second = epochs.begin();
    epochs.afterCurrentReads(() => called.push('early'));
    const third = epochs.begin();
    epochs.afterCurrentReads(() => called.push('late'));
    epochs.end(second);
    expect(called).toEqual([]);
    epochs.end(first);
    expect(called).toEqual(['early']);
    const fourth = epochs.begin();
    epochs.end(third);
    expect(called).toEqual(['early', 'late']);
    epochs.end(fourth);
  });

  it('call back once each, in their order, exactly when the last such read ends', () => {
    const event = fc.oneof(fc.constant('begin'), fc.constant('ask'), fc.nat(10));
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const epochs = new ReadEpochs();
        let reading: number[] = [];
        const waiting: { readonly reads: Set<number>; called: number }[] = [];
        const expectCalls = () => {
          for (const { reads, called } of waiting) {
            expect(called).toBe(reading.some((epoch) => reads.has(epoch)) ? 0 : 1);
          }
        };
        for (const happening of events) {
          if (happening === 'begin') reading.push(epochs.begin());
          else if (happening === 'ask') {
            const entry = { reads: new Set(reading), called: 0 };
            waiting.push(entry);
            epochs.afterCurrentReads(() => (entry.called += 1));
          } else {
            const ended = reading[Number(happening) % reading.length];
            if (ended === undefined) continue;
            reading = reading.filter((epoch) => epoch !== ended);
            epochs.end(ended);
          }
          expectCalls();
        }
      }),
    );
  });
});
