/** The part of the untyped `buffer-layout` package that the struct wrapper uses. */
declare module 'buffer-layout' {
  export class Layout {
    constructor(span: number, property?: string);
    readonly span: number;
    readonly property: string | undefined;
    decode(bytes: Uint8Array, offset?: number): unknown;
    encode(source: unknown, bytes: Uint8Array, offset?: number): number;
  }
  export class Structure extends Layout {
    constructor(fields: Layout[], property?: string);
  }
  export class UInt extends Layout {}
  export class UIntBE extends Layout {}
  export class Int extends Layout {}
  export class IntBE extends Layout {}
}
