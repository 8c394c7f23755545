/** What images are, told to programs once a command has made or changed them. */
import { jsonText } from '@diskfile/command';
import type { ImageSource } from '../images/image-source.ts';
import { readInfo } from '../images/read-info.ts';
import type { Program } from '../program.ts';
import { jsonInfo } from './image-info.ts';

/** Prints what `info --output=json` prints of the image; of several, a list of that. */
export function tellImages(program: Program, images: ImageSource | readonly ImageSource[]): void {
  // By the file, whatever options the command was given for it.
  const tell = ({ described: _, ...source }: ImageSource) => jsonInfo(readInfo(program, source));
  program.line(jsonText('filename' in images ? tell(images) : images.map(tell)));
}
