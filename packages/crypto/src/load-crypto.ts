/** Which implementation stands behind encryption here. */
import type { Step } from '@diskfile/core';
import { nativeProvider } from './native-provider.ts';
import { loadPortableProvider } from './portable-provider.ts';
import type { CryptoProvider } from './provider.ts';

/** The fastest that the platform has. */
export function* loadCrypto({ native = true } = {}): Step<CryptoProvider> {
  const provider = native ? nativeProvider() : undefined;
  return provider ?? (yield* loadPortableProvider());
}
