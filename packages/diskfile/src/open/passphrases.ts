/** What encrypted images are opened with. */

/** Text is taken as its bytes in UTF-8. */
export type Passphrase = string | Uint8Array;

/** One for the image itself, or one for each image of a chain from the top down. */
export type Passphrases = Passphrase | readonly (Passphrase | undefined)[];

export function passphraseBytes(given: Passphrases | undefined): (Uint8Array | undefined)[] {
  const all = Array.isArray(given) ? given : [given];
  return all.map((each) => (typeof each === 'string' ? new TextEncoder().encode(each) : each));
}
