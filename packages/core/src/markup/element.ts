/** A small XML document as a tree of elements, bounded in depth and number. */
import { markupText, type Tag, TagReader } from './tag-reader.ts';

const MAX_DEPTH = 16;
const MAX_ELEMENTS = 100_000;

export class MarkupElement {
  readonly name: string;
  readonly children: MarkupElement[] = [];
  /** What stands before its first child or its end, without space around it. */
  text = '';

  constructor(name: string) {
    this.name = name;
  }

  /** The first child of that name. */
  child(name: string): MarkupElement | undefined {
    return this.children.find((child) => child.name === name);
  }

  all(name: string): MarkupElement[] {
    return this.children.filter((child) => child.name === name);
  }
}

/** @param broken makes what is thrown when the bytes are no such document */
export function parseMarkup(bytes: Uint8Array, broken: (reason: string) => Error): MarkupElement {
  const reader = new TagReader(bytes, broken);
  let elements = 0;
  const parse = (tag: Tag, depth: number): MarkupElement => {
    elements += 1;
    if (elements > MAX_ELEMENTS) throw broken('it holds too many elements');
    if (depth > MAX_DEPTH) throw broken('it is nested too deeply');
    const element = new MarkupElement(tag.name);
    if (tag.kind === 'empty') return element;
    element.text = markupText(reader.textUpToTag()).trim();
    for (;;) {
      const next = reader.next();
      if (next.kind !== 'close') element.children.push(parse(next, depth + 1));
      else if (next.name === tag.name) return element;
      else throw broken(`${tag.name} has no end`);
    }
  };
  const root = reader.next();
  if (root.kind === 'close') throw broken('it begins with an end');
  return parse(root, 0);
}
