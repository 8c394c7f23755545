/** Host paths made of guest names. They are bytes, because guest names are. */
import { Buffer } from 'node:buffer';
import { DiskError, encodeName } from 'diskfile';
import { decodeName } from '@diskfile/bytes';

export type HostPath = Buffer;

export function hostPath(text: string): HostPath {
  return Buffer.from(encodeName(text));
}

/** For messages. */
export function showPath(path: HostPath): string {
  return decodeName(path);
}

/**
 * The path of a file called `name` in a directory.
 * @throws DiskError `denied` when the name could mean anything but a file in that directory
 */
export function childPath(directory: HostPath, name: string): HostPath {
  if (!isPlainName(name)) {
    throw new DiskError(
      'denied',
      'cp.unsafe-name',
      `A guest file is called ${JSON.stringify(name)}, which is no name for a file on this host`,
      { op: 'write', path: showPath(directory), hint: 'It is left out; disk-tar can hold it.' },
    );
  }
  return Buffer.concat([directory, Buffer.from('/'), encodeName(name)]);
}

function isPlainName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) return false;
  return process.platform !== 'win32' || isWindowsName(name);
}

/** Names that Windows gives a meaning of their own (drives, streams, devices) or cannot hold. */
function isWindowsName(name: string): boolean {
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f<>:"\\|?*\udc80-\udcff]|[. ]$/.test(name)) return false;
  return !/^(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\.|$)/i.test(name);
}
