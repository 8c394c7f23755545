/** What encrypted images are opened with. */

/** Text is taken as its bytes in UTF-8. */
export type Passphrase = string | Uint8Array;

/** One for the image itself, or one for each image of a chain from the top down. */
export type Passphrases = Passphrase | readonly (Passphrase | undefined)[];

/**
 * What images name as the `key-secret` of an image below, in names that begin with `json:`. They
 * choose among these, so whoever does not trust an image gives those that are meant for its chain.
 */
export type Secrets = ReadonlyMap<string, Uint8Array>;

export function passphraseBytes(given: Passphrases | undefined): (Uint8Array | undefined)[] {
  const all = Array.isArray(given) ? given : [given];
  return all.map((each) => (typeof each === 'string' ? new TextEncoder().encode(each) : each));
}
