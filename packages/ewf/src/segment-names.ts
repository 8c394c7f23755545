/**
 * How the files of a set are called: `.E01` to `.E99`, then `.EAA` to `.EZZ`, `.FAA` and so on to
 * `.ZZZ`. The letters are large or small as the first file's is.
 */
const FIRST_NAME = /^(.*\.)([A-Za-z])01$/s;
const NUMBERED = 99;
const LETTERS = 26;

/**
 * Name of the file that holds a segment; undefined where the first file's name is none that could
 * be counted on, or the letters are used up.
 * @param segment from 1 on
 */
export function segmentName(firstName: string, segment: number): string | undefined {
  const [, stem, letter] = FIRST_NAME.exec(firstName) ?? [];
  if (stem === undefined || letter === undefined) return undefined;
  if (segment <= NUMBERED) return `${stem}${letter}${String(segment).padStart(2, '0')}`;
  const isLarge = letter < 'a';
  const base = (isLarge ? 'A' : 'a').charCodeAt(0);
  const index = segment - NUMBERED - 1;
  const digits = [
    letter.charCodeAt(0) - base + Math.floor(index / LETTERS ** 2),
    Math.floor(index / LETTERS) % LETTERS,
    index % LETTERS,
  ];
  if (digits[0]! >= LETTERS) return undefined;
  return stem + digits.map((digit) => String.fromCharCode(base + digit)).join('');
}
