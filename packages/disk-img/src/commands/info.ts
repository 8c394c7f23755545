/** `info`: what an image says of itself. */
import { jsonText } from '@diskfile/command';
import type { ImageInfo } from 'diskfile';
import { CommandOptions } from '../arguments/options.ts';
import { backingPath } from '../images/backing-path.ts';
import { type ImageSource, imageSource, takesImageOptions } from '../images/image-source.ts';
import { type ReadInfo, readInfo } from '../images/read-info.ts';
import { Failure, type Program } from '../program.ts';
import { humanInfo, jsonInfo } from '../report/image-info.ts';

export function run(program: Program, args: readonly string[]): number {
  const options = new CommandOptions(program, 'info', args, {
    short: 'f:U',
    long: {
      object: 'object:',
      'image-opts': 'image-opts',
      format: 'f:',
      output: 'output:',
      'backing-chain': 'backing-chain',
      'force-share': 'U',
    },
  });
  const filename = options.theImage();
  const { isJson } = options;
  const chain = options.has('backing-chain');
  const isOptions = takesImageOptions(options, 'f');
  const { objects } = options;
  const format = options.value('f');
  const source = imageSource(filename, { format, isOptions, objects, withoutKey: true });
  const images = collect(program, source, { forceShare: options.has('U'), chain });
  if (!isJson) program.output.text(images.map(humanInfo).join('\n'));
  else if (chain) program.line(jsonText(images.map(jsonInfo)));
  else program.line(jsonText(jsonInfo(images[0]!)));
  return 0;
}

interface Collection {
  readonly forceShare: boolean;
  readonly chain: boolean;
}

/** Each image of the chain is opened by itself, so that one that cannot be is told by its name. */
function collect(
  program: Program,
  source: ImageSource,
  { forceShare, chain }: Collection,
): ReadInfo[] {
  const seen = new Set<string>();
  const images: ReadInfo[] = [];
  let next: ImageSource | undefined = source;
  while (next !== undefined) {
    if (seen.has(next.filename)) throw infiniteLoop(next.filename);
    seen.add(next.filename);
    const info: ReadInfo = readInfo(program, next, { forceShare });
    images.push(info);
    next = chain ? backingOf(info) : undefined;
  }
  return images;
}

function backingOf({ path, backing }: ImageInfo): ImageSource | undefined {
  if (backing === undefined) return undefined;
  const { name, format } = backing;
  return imageSource(backingPath(path, name), { format, withoutKey: true });
}

function infiniteLoop(filename: string): Failure {
  return new Failure(`Backing file '${filename}' creates an infinite loop.`);
}
