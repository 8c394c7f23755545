/**
 * Names of case-insensitive directories. The kernel compares canonical decompositions after
 * Unicode case folding, without ignorable code points, by the tables of Unicode 12.1. Here the
 * platform's own tables do that: newer characters may compare equal that the kernel tells apart.
 */

const IGNORABLE = /\p{Default_Ignorable_Code_Point}/gu;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A key that is equal for names that count as the same; undefined when only bytes count. */
export function foldName(name: string): string | undefined {
  if (LONE_SURROGATE.test(name)) return undefined;
  // By way of upper case, as that is where ß becomes ss and both sigmas meet.
  const folded = name.normalize('NFD').toUpperCase().toLowerCase();
  return folded.replaceAll('ς', 'σ').normalize('NFD').replaceAll(IGNORABLE, '');
}
