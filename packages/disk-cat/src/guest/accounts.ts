/** Names of the guest's users and groups. */
import { DiskError, type FileSystem } from 'diskfile';

const MAX_FILE_BYTES = 4 * 1024 * 1024;

export interface Accounts {
  user(uid: number): string;
  group(gid: number): string;
}

/** Numbers only. */
export const NUMERIC_ACCOUNTS: Accounts = { user: String, group: String };

/** Reads /etc/passwd and /etc/group; ids that they do not name stay numbers. */
export function readAccounts(fileSystem: FileSystem): Accounts {
  const users = readNames(fileSystem, '/etc/passwd');
  const groups = readNames(fileSystem, '/etc/group');
  return {
    user: (uid) => users.get(uid) ?? String(uid),
    group: (gid) => groups.get(gid) ?? String(gid),
  };
}

/** Both files hold `name:password:id:…` lines (passwd(5), group(5)); the first of an id counts. */
function readNames(fileSystem: FileSystem, path: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of readLines(fileSystem, path)) {
    const [, name, id] = /^([^:]+):[^:]*:(\d+)(?::|$)/.exec(line) ?? [];
    if (name !== undefined && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}

function readLines(fileSystem: FileSystem, path: string): string[] {
  try {
    const bytes = fileSystem.readFileSync(path, { maxBytes: MAX_FILE_BYTES });
    return new TextDecoder().decode(bytes).split('\n');
  } catch (error) {
    // A listing is worth having without names.
    if (error instanceof DiskError) return [];
    throw error;
  }
}
