/** Pairwise coverage: a short list of cases in which every two values of two factors meet. */

type Factors = Record<string, readonly unknown[]>;

/** One value for each factor. */
export type Case<F extends Factors> = { readonly [K in keyof F]: F[K][number] };

/**
 * Cases that cover every pair of values which some valid case contains. Deterministic and greedy:
 * not the shortest list there is, but close.
 *
 * @param valid refuses combinations that do not exist
 */
export function pairwise<const F extends Factors>(
  factors: F,
  valid: (candidate: Case<F>) => boolean = () => true,
): Case<F>[] {
  const all = product(factors).filter(valid);
  const numbers = new Map<string, number>();
  const pairsOf = all.map((candidate) => pairs(candidate, numbers));
  const open = new Uint8Array(numbers.size).fill(1);
  const chosen: Case<F>[] = [];
  for (let left = numbers.size; left > 0;) {
    let best = 0;
    let bestCount = 0;
    for (const [index, list] of pairsOf.entries()) {
      const count = list.reduce((sum, pair) => sum + open[pair]!, 0);
      if (count > bestCount) [best, bestCount] = [index, count];
    }
    chosen.push(all[best]!);
    for (const pair of pairsOf[best]!) open[pair] = 0;
    left -= bestCount;
  }
  return chosen;
}

function product<F extends Factors>(factors: F): Case<F>[] {
  let cases: Record<string, unknown>[] = [{}];
  for (const [name, values] of Object.entries(factors)) {
    cases = cases.flatMap((start) => values.map((value) => ({ ...start, [name]: value })));
  }
  return cases as Case<F>[];
}

/** Numbers of the pairs in a case; new pairs get the next number. */
function pairs(candidate: Record<string, unknown>, numbers: Map<string, number>): number[] {
  const values = Object.entries(candidate).map(([name, value]) => `${name}=${String(value)}`);
  return values.flatMap((first, index) =>
    values.slice(index + 1).map((second) => {
      const pair = `${first} ${second}`;
      const number = numbers.get(pair) ?? numbers.size;
      numbers.set(pair, number);
      return number;
    }),
  );
}
