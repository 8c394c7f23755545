/** What work failed with, where others have to be done all the same; undefined for nothing. */

export function failureOf(work: () => void): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error ?? new Error('failed');
  }
}

export async function failureOfPromise(work: Promise<void>): Promise<unknown> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error ?? new Error('failed');
  }
}
