import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GuardedTurn, ReadGuard, whenGranted } from '../src/engine/read-guard.ts';
import { runAsync, runSync } from '../src/index.ts';

interface Visitor {
  readonly kind: 'read' | 'change';
  readonly turn: GuardedTurn;
  granted: boolean;
  left: boolean;
}

function conflict(a: Visitor, b: Visitor): boolean {
  if (a.kind === b.kind) return false;
  return a.turn.start < b.turn.end && b.turn.start < a.turn.end;
}

describe('the guard between reads and changes', () => {
  it('lets each go when all that came before and overlaps is over, and no earlier', () => {
    const anyRange = fc
      .tuple(fc.nat(20), fc.integer({ min: 1, max: 8 }))
      .map(([start, length]) => ({ start, end: start + length }));
    const event = fc.oneof(
      fc.record({ do: fc.constantFrom('read', 'change'), range: anyRange }),
      fc.record({ do: fc.constant('leave'), which: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const guard = new ReadGuard();
        const visitors: Visitor[] = [];
        for (const happening of events) {
          if ('range' in happening) {
            const { start, end } = happening.range;
            const kind = happening.do as Visitor['kind'];
            const turn =
              kind === 'read' ? guard.enterRead(start, end) : guard.enterChange(start, end);
            const visitor = { kind, turn, granted: turn.waitsFor === 0, left: false };
            turn.granted = () => (visitor.granted = true);
            visitors.push(visitor);
          } else {
            const here = visitors.filter(({ left }) => !left);
            const leaving = here[happening.which % here.length];
            if (leaving === undefined) continue;
            leaving.left = true;
            guard.leave(leaving.turn);
          }
          for (const [index, visitor] of visitors.entries()) {
            if (visitor.left) continue;
            const waits = visitors
              .slice(0, index)
              .some((earlier) => !earlier.left && conflict(visitor, earlier));
            expect(visitor.granted).toBe(!waits);
          }
        }
      }),
    );
  });

  it('is waited for by steps and by promises, and refuses who cannot wait', async () => {
    const guard = new ReadGuard();
    const change = guard.enterChange(10, 20);
    expect(() => guard.checkSyncRead(5, 11)).toThrowError(
      expect.objectContaining({ code: 'busy', detail: 'disk.async-request-pending' }),
    );
    guard.checkSyncRead(0, 10);
    guard.checkSyncRead(20, 30);
    const first = guard.enterRead(15, 16);
    const second = guard.enterRead(12, 13);
    expect(() => runSync(guard.turn(first))).toThrowError(
      expect.objectContaining({ code: 'busy' }),
    );
    const order: string[] = [];
    const waiting = [
      runAsync(guard.turn(first)).then(() => order.push('first')),
      whenGranted(second).then(() => order.push('second')),
    ];
    await Promise.resolve();
    order.push('change');
    guard.leave(change);
    await Promise.all(waiting);
    expect(order[0]).toBe('change');
  });
});
