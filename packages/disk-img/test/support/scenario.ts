/**
 * Command lines that are run side by side with the genuine tool and with ours. A file holds
 * scenarios:
 *
 *     == title
 *     + mkdir d              prepares, with genuine tools on both sides
 *     $ qemu-img info x      runs `qemu-img` of the side, and is compared
 *     ! key                  the next command differs, for the reason that the documentation gives
 *                            under that key
 *     = x                    of this file every byte is compared; of others, the disk in them
 *     - x                    this file is not compared
 */
import { readFileSync } from 'node:fs';

export interface Scenario {
  readonly title: string;
  readonly steps: readonly Step[];
  /** Files whose bytes have to be the same, and not only the disk in them. */
  readonly sameBytes: ReadonlySet<string>;
  readonly ignored: ReadonlySet<string>;
}

export interface Step {
  readonly kind: 'prepare' | 'compare';
  readonly line: string;
  /** Key of a meant difference. */
  readonly differs: string | undefined;
}

export function readScenarios(path: string): Scenario[] {
  const scenarios: {
    title: string;
    steps: Step[];
    sameBytes: Set<string>;
    ignored: Set<string>;
  }[] = [];
  let differs: string | undefined;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, mark, rest] = /^(==|[+$!=-]) (.*)$/.exec(line) ?? [];
    if (mark === undefined) {
      if (line.trim() === '' || line.startsWith('#')) continue;
      throw new Error(`${path}: not understood: ${line}`);
    }
    const scenario = scenarios.at(-1)!;
    if (mark === '==') {
      scenarios.push({ title: rest!, steps: [], sameBytes: new Set(), ignored: new Set() });
    } else if (mark === '!') differs = rest!;
    else if (mark === '=') scenario.sameBytes.add(rest!);
    else if (mark === '-') scenario.ignored.add(rest!);
    else {
      scenario.steps.push({ kind: mark === '+' ? 'prepare' : 'compare', line: rest!, differs });
      differs = undefined;
    }
  }
  return scenarios;
}
