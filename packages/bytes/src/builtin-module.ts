/**
 * Built-in modules of Node. Packages that run in a browser too import none of them; under Node and
 * its kin they ask for them at run time.
 */

interface NodeLike {
  readonly process?: { getBuiltinModule?(id: string): unknown };
}

/** A built-in module of Node, undefined elsewhere. `T` is the part of it that the caller uses. */
export function builtinModule<T>(id: string): T | undefined {
  return (globalThis as NodeLike).process?.getBuiltinModule?.(id) as T | undefined;
}
