/** How the parts of a split disk are called. */
const LETTERS = 26;
/** At least three digits: two occur in all sorts of names. */
const FIRST_BY_NUMBER = /^(.*\.)(0{3,6}|0{2,5}1)$/s;
const FIRST_BY_PART = /^(.*[._-]part[._-]?)(0{1,6}|0{0,5}1)$/is;
/** Without a name of its own, split begins with `xaa`. */
const FIRST_BY_LETTER = /^((?:.*[._-])|(?:.*\/)?x)(a{2,5})$/s;

export interface PartNames {
  /** Path of a part without its number. */
  readonly stem: string;
  /** How long numbers are written. */
  readonly width: number;
  readonly byLetters: boolean;
  readonly first: number;
}

/** Undefined for a name that no first part has. */
export function parseFirstPart(path: string): PartNames | undefined {
  const [, stem, number] = FIRST_BY_NUMBER.exec(path) ?? FIRST_BY_PART.exec(path) ?? [];
  if (stem !== undefined && number !== undefined) {
    return { stem, width: number.length, byLetters: false, first: Number(number) };
  }
  const [, prefix, letters] = FIRST_BY_LETTER.exec(path) ?? [];
  if (prefix === undefined || letters === undefined) return undefined;
  return { stem: prefix, width: letters.length, byLetters: true, first: 0 };
}

export function partPath({ stem, width, byLetters }: PartNames, number: number): string {
  return stem + (byLetters ? lettersOf(number, width) : String(number).padStart(width, '0'));
}

function lettersOf(number: number, width: number): string {
  let text = '';
  for (let rest = number; text.length < width; rest = Math.floor(rest / LETTERS)) {
    text = String.fromCharCode('a'.charCodeAt(0) + (rest % LETTERS)) + text;
  }
  return text;
}

/** The number that stands behind the stem of a name; undefined where it is none. */
export function numberOf(text: string, { width, byLetters }: PartNames): number | undefined {
  if (byLetters) {
    if (text.length !== width || !/^[a-z]+$/.test(text)) return undefined;
    return [...text].reduce((sum, each) => sum * LETTERS + each.charCodeAt(0) - 97, 0);
  }
  // What has run out of digits has more of them.
  const isWider = text.length > width && !text.startsWith('0');
  const isNumber = /^\d{1,7}$/.test(text) && (text.length === width || isWider);
  return isNumber ? Number(text) : undefined;
}
