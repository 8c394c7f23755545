/**
 * Names of case-insensitive directories. The kernel compares canonical decompositions after full
 * Unicode case folding, without ignorable code points, by the tables of Unicode 12.1. Here the
 * platform's own tables do that: characters that Unicode got later may compare equal that the
 * kernel tells apart.
 */

const IGNORABLE = /\p{Default_Ignorable_Code_Point}/gu;
const LONE_SURROGATE = /\p{Surrogate}/u;
/** Has the upper case of `i`, but does not fold to it. */
const DOTLESS_I = 'ı';

/** A key that is equal for names that count as the same; undefined when only bytes count. */
export function foldName(name: string): string | undefined {
  if (LONE_SURROGATE.test(name)) return undefined;
  const folded = name.normalize('NFD').split(DOTLESS_I).map(foldCase).join(DOTLESS_I);
  return folded.normalize('NFD').replaceAll(IGNORABLE, '');
}

/** Lower case makes ẞ to ß, upper case that to SS and both small sigmas to one. */
function foldCase(text: string): string {
  return text.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ');
}
