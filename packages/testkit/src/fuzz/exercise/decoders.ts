/** Decodes a stream in every way that a decoder has. */
import { makeDecoders } from '@diskfile/codec';
import { type Decoder, runAsync } from '@diskfile/core';
import { ContractViolation } from '../fuzz-target.ts';
import { tolerate } from './tolerate.ts';

/** Decoders of one id: what the platform has, and the portable one. */
export async function loadDecoders(id: string): Promise<Decoder[]> {
  const sets = [makeDecoders(), makeDecoders({ native: false })];
  return await Promise.all(sets.map((set) => runAsync(set.load(id))));
}

/**
 * The decoders given, each synchronously and asynchronously, have to agree.
 *
 * @param unitBytes how many bytes the stream should yield
 */
export async function exerciseDecoders(
  decoders: readonly Decoder[],
  stream: Uint8Array,
  unitBytes: number,
): Promise<void> {
  const before = Buffer.from(stream);
  const outputs: (Buffer | undefined)[] = [];
  for (const decoder of decoders) {
    outputs.push(
      await decoded(unitBytes, (dst) => decoder.decodeSync(stream, dst)),
      await decoded(unitBytes, (dst) => decoder.decode(stream, dst)),
    );
  }
  if (before.compare(stream) !== 0) throw new ContractViolation('decoding changed the stream');
  const [first, ...others] = outputs;
  for (const output of others) {
    const alike = first === undefined ? output === undefined : output?.equals(first);
    if (!alike) throw new ContractViolation(`decoders disagree on a unit of ${unitBytes} bytes`);
  }
}

async function decoded(
  unitBytes: number,
  decode: (dst: Uint8Array) => void | Promise<void>,
): Promise<Buffer | undefined> {
  const dst = Buffer.alloc(unitBytes, 0xa5);
  return await tolerate(async () => {
    await decode(dst);
    return dst;
  });
}
