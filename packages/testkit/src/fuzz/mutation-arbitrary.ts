/** fast-check arbitraries for lists of mutations that suit a seed. */
import fc from 'fast-check';
import { MAX_MUTANT_BYTES, type Mutation } from './mutation.ts';
import type { Field, Region, SeedImage } from './seed-image.ts';

/** Where an integer is and how it is stored. */
type IntegerPlace = Pick<Field, 'offset' | 'widthBytes' | 'bigEndian'>;

/** One to six mutations, mostly few; those of a seed with checksums often end in a repair. */
export function mutationsOf(seed: SeedImage): fc.Arbitrary<Mutation[]> {
  const one = oneMutation(seed);
  const few = fc.oneof(
    { weight: 4, arbitrary: fc.array(one, { minLength: 1, maxLength: 2 }) },
    { weight: 1, arbitrary: fc.array(one, { minLength: 3, maxLength: 6 }) },
  );
  if (seed.repair === undefined) return few;
  const repaired = few.map((mutations): Mutation[] => [...mutations, { kind: 'repair' }]);
  return fc.oneof({ weight: 3, arbitrary: repaired }, { weight: 1, arbitrary: few });
}

function oneMutation(seed: SeedImage): fc.Arbitrary<Mutation> {
  const choices = [
    { weight: 3, arbitrary: bytesMutation(seed) },
    { weight: 2, arbitrary: flipMutation(seed) },
    { weight: 1, arbitrary: fillMutation(seed) },
    { weight: 1, arbitrary: copyMutation(seed) },
    { weight: 1, arbitrary: resizeMutation(seed) },
  ];
  if (seed.fields.length > 0) choices.push({ weight: 8, arbitrary: fieldMutation(seed) });
  if (seed.regions.length > 0) choices.push({ weight: 8, arbitrary: regionMutation(seed) });
  return fc.oneof(...choices);
}

function fieldMutation(seed: SeedImage): fc.Arbitrary<Mutation> {
  return fc.constantFrom(...seed.fields).chain((field) => integerMutation(seed, field, field.name));
}

function regionMutation(seed: SeedImage): fc.Arbitrary<Mutation> {
  return fc.constantFrom(...seed.regions).chain((region) =>
    placeIn(region).chain((index) => {
      const offset = region.offset + index * region.widthBytes;
      return integerMutation(seed, { ...region, offset }, `${region.name}[${index}]`);
    }),
  );
}

/** Index of an integer; the first ones of a table are more likely to be in use. */
function placeIn({ lengthBytes, widthBytes }: Region): fc.Arbitrary<number> {
  const last = Math.max(0, Math.floor(lengthBytes / widthBytes) - 1);
  return fc.oneof(fc.nat(last), fc.nat(Math.min(last, 15)));
}

function integerMutation(
  seed: SeedImage,
  place: IntegerPlace,
  what: string,
): fc.Arbitrary<Mutation> {
  return integerValue(seed, place).map((value) => ({
    kind: 'write',
    offset: place.offset,
    hex: encodeInteger(value, place),
    what,
  }));
}

/** Values on which parsers break: limits, neighbours of what is there, places in the image. */
function integerValue(seed: SeedImage, place: IntegerPlace): fc.Arbitrary<bigint> {
  const bits = BigInt(place.widthBytes * 8);
  const max = (1n << bits) - 1n;
  const there = decodeInteger(seed.bytes, place);
  const size = BigInt(seed.bytes.length);
  const unit = BigInt(seed.unitBytes);
  const power = fc
    .tuple(fc.bigInt({ min: 0n, max: bits - 1n }), fc.constantFrom(-1n, 0n, 1n))
    .map(([exponent, add]) => (1n << exponent) + add);
  const near = fc.bigInt({ min: -3n, max: 3n }).map((add) => there + add);
  const scaled = fc.constantFrom(there * 2n, there / 2n, there * unit, there / unit, ~there);
  const withBit = fc.bigInt({ min: 0n, max: bits - 1n }).map((bit) => there ^ (1n << bit));
  const offset = fc.bigInt({ min: 0n, max: size / unit + 1n }).map((index) => index * unit);
  const index = fc.bigInt({ min: 0n, max: size / unit + 1n });
  const edge = fc.constantFrom(0n, 1n, max, max - 1n, size, size - 1n, size / unit, max / unit);
  const any = fc.bigInt({ min: 0n, max });
  return fc
    .oneof(power, near, scaled, withBit, offset, index, edge, any)
    .map((value) => BigInt.asUintN(place.widthBytes * 8, value));
}

function decodeInteger(bytes: Uint8Array, place: IntegerPlace): bigint {
  const there = [...bytes.subarray(place.offset, place.offset + place.widthBytes)];
  if (!place.bigEndian) there.reverse();
  return there.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}

function encodeInteger(value: bigint, { widthBytes, bigEndian }: IntegerPlace): string {
  const hex = value.toString(16).padStart(widthBytes * 2, '0');
  return bigEndian ? hex : hex.match(/../g)!.toReversed().join('');
}

/** An offset anywhere, more often near the start, where the headers are. */
function offsetIn(seed: SeedImage): fc.Arbitrary<number> {
  const last = Math.max(0, seed.bytes.length - 1);
  return fc.oneof(fc.nat(last), fc.nat(Math.min(last, 1023)), fc.nat(Math.min(last, 64 * 1024)));
}

function bytesMutation(seed: SeedImage): fc.Arbitrary<Mutation> {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 16 });
  return fc.tuple(offsetIn(seed), bytes).map(([offset, content]) => ({
    kind: 'write',
    offset,
    hex: Buffer.from(content).toString('hex'),
    what: 'bytes',
  }));
}

function flipMutation(seed: SeedImage): fc.Arbitrary<Mutation> {
  return fc.record({ kind: fc.constant('flip'), offset: offsetIn(seed), bit: fc.nat(7) });
}

function fillMutation(seed: SeedImage): fc.Arbitrary<Mutation> {
  return fc.record({
    kind: fc.constant('fill'),
    offset: offsetIn(seed),
    lengthBytes: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.constant(seed.unitBytes)),
    byte: fc.constantFrom(0, 0xff, 0x20, 0x01),
  });
}

/** Units of the format change places: tables where data was, one table in two places. */
function copyMutation(seed: SeedImage): fc.Arbitrary<Mutation> {
  const { unitBytes } = seed;
  const lastUnit = Math.max(0, Math.ceil(seed.bytes.length / unitBytes) - 1);
  const unit = fc.nat(lastUnit).map((index) => index * unitBytes);
  const units = fc.record({
    kind: fc.constant('copy'),
    from: unit,
    to: unit,
    lengthBytes: fc.constant(unitBytes),
  });
  const pieces = fc.record({
    kind: fc.constant('copy'),
    from: offsetIn(seed),
    to: offsetIn(seed),
    lengthBytes: fc.integer({ min: 1, max: 256 }),
  });
  return fc.oneof(units, pieces);
}

function resizeMutation(seed: SeedImage): fc.Arbitrary<Mutation> {
  const { length } = seed.bytes;
  const longest = Math.min(MAX_MUTANT_BYTES, length * 2 + seed.unitBytes);
  const sizeBytes = fc.oneof(
    fc.nat(length),
    fc.integer({ min: Math.max(0, length - 4096), max: length }),
    fc.nat(4096),
    fc.integer({ min: length, max: Math.max(length, longest) }),
  );
  return fc.record({ kind: fc.constant('resize'), sizeBytes });
}
