/**
 * On-disk structures, declared once with the names of their specification.
 *
 * `buffer-layout` walks the fields; this wrapper gives them types, byte arrays that are no Node
 * `Buffer`, exact 64-bit integers and byte blobs. Meant for headers; tables of entries are decoded
 * by hand where they are used, because that is a hot path.
 */
import layouts from 'buffer-layout';
import { DiskError } from './disk-error.ts';
import { readU64be, readU64le, writeU64be, writeU64le } from './integers.ts';

const { Int, IntBE, Layout, Structure, UInt, UIntBE } = layouts;

/** What buffer-layout knows a field by. The package has no types, so none of it is let out. */
interface FieldLayout {
  readonly span: number;
}

/** One field of a struct: its width and how it is read. `T` is what decoding yields. */
export interface Field<T> {
  readonly spanBytes: number;
  makeLayout(property: string): FieldLayout;
  /** Carries the type only. */
  readonly valueType?: T;
}

type FieldMap = Record<string, Field<unknown>>;

/** The object that a declared struct decodes to. */
export type StructValue<F extends FieldMap> = {
  -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never;
};

export interface Struct<F extends FieldMap> {
  readonly name: string;
  readonly spanBytes: number;
  /** Byte offset of a field within the struct, for error contexts. */
  offsetOf(field: keyof F & string): number;
  /** @throws DiskError `corrupt` when fewer than `spanBytes` follow `at`. */
  decode(bytes: Uint8Array, at?: number): StructValue<F>;
  /** Writes every field. `bytes` must hold `spanBytes` from `at`. */
  encode(value: StructValue<F>, bytes: Uint8Array, at?: number): void;
}

/** The accessors that buffer-layout calls on what it is given. */
class LayoutBytes extends Uint8Array<ArrayBufferLike> {
  readUIntBE(offset: number, span: number): number {
    let value = 0;
    for (let i = 0; i < span; i++) value = value * 256 + this[offset + i]!;
    return value;
  }
  readUIntLE(offset: number, span: number): number {
    let value = 0;
    for (let i = span - 1; i >= 0; i--) value = value * 256 + this[offset + i]!;
    return value;
  }
  readIntBE(offset: number, span: number): number {
    return toSigned(this.readUIntBE(offset, span), span);
  }
  readIntLE(offset: number, span: number): number {
    return toSigned(this.readUIntLE(offset, span), span);
  }
  writeUIntBE(value: number, offset: number, span: number): void {
    for (let i = span - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) {
      this[offset + i] = rest % 256;
    }
  }
  writeUIntLE(value: number, offset: number, span: number): void {
    for (let i = 0, rest = value; i < span; i++, rest = Math.floor(rest / 256)) {
      this[offset + i] = rest % 256;
    }
  }
  writeIntBE(value: number, offset: number, span: number): void {
    this.writeUIntBE(value < 0 ? value + 256 ** span : value, offset, span);
  }
  writeIntLE(value: number, offset: number, span: number): void {
    this.writeUIntLE(value < 0 ? value + 256 ** span : value, offset, span);
  }
}

function toSigned(value: number, span: number): number {
  const limit = 256 ** span;
  return value >= limit / 2 ? value - limit : value;
}

class U64Layout extends Layout {
  readonly bigEndian: boolean;
  constructor(bigEndian: boolean, property: string) {
    super(8, property);
    this.bigEndian = bigEndian;
  }
  override decode(bytes: Uint8Array, offset = 0): number {
    return (this.bigEndian ? readU64be : readU64le)(bytes, offset, this.property!);
  }
  override encode(source: unknown, bytes: Uint8Array, offset = 0): number {
    (this.bigEndian ? writeU64be : writeU64le)(bytes, offset, source as number);
    return 8;
  }
}

class BytesLayout extends Layout {
  override decode(bytes: Uint8Array, offset = 0): Uint8Array {
    return new Uint8Array(bytes.subarray(offset, offset + this.span));
  }
  override encode(source: unknown, bytes: Uint8Array, offset = 0): number {
    bytes.fill(0, offset, offset + this.span);
    bytes.set((source as Uint8Array).subarray(0, this.span), offset);
    return this.span;
  }
}

type LayoutInstance = InstanceType<typeof Layout>;
type IntegerLayout = new (span: number, property: string) => LayoutInstance;

function integer(Kind: IntegerLayout, spanBytes: number): Field<number> {
  return { spanBytes, makeLayout: (property) => new Kind(spanBytes, property) };
}

export const u8 = integer(UInt, 1);
export const u16be = integer(UIntBE, 2);
export const u16le = integer(UInt, 2);
export const u32be = integer(UIntBE, 4);
export const u32le = integer(UInt, 4);
export const i32be = integer(IntBE, 4);
export const i32le = integer(Int, 4);
/** An exact 64-bit unsigned integer; decoding refuses what a number cannot hold. */
export const u64be: Field<number> = {
  spanBytes: 8,
  makeLayout: (property) => new U64Layout(true, property),
};
export const u64le: Field<number> = {
  spanBytes: 8,
  makeLayout: (property) => new U64Layout(false, property),
};
/** A fixed run of bytes; decoding copies it. */
export function blob(spanBytes: number): Field<Uint8Array> {
  return { spanBytes, makeLayout: (property) => new BytesLayout(spanBytes, property) };
}

/** Declares a packed struct; fields follow one another in the order of the keys. */
export function struct<F extends FieldMap>(name: string, fields: F): Struct<F> {
  const offsets = new Map<string, number>();
  let spanBytes = 0;
  for (const [property, field] of Object.entries(fields)) {
    offsets.set(property, spanBytes);
    spanBytes += field.spanBytes;
  }
  const layout = new Structure(
    Object.entries(fields).map(([property, field]) => field.makeLayout(property) as LayoutInstance),
  );
  const view = (bytes: Uint8Array, at: number): LayoutBytes => {
    if (bytes.length - at < spanBytes) {
      throw new DiskError(
        'corrupt',
        'bytes.struct-truncated',
        `${name} needs ${spanBytes} bytes, ${Math.max(0, bytes.length - at)} are there`,
      );
    }
    return new LayoutBytes(bytes.buffer, bytes.byteOffset + at, spanBytes);
  };
  return {
    name,
    spanBytes,
    offsetOf: (field) => offsets.get(field)!,
    decode: (bytes, at = 0) => layout.decode(view(bytes, at)) as StructValue<F>,
    encode: (value, bytes, at = 0) => void layout.encode(value, view(bytes, at)),
  };
}
