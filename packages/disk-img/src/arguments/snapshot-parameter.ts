/** Snapshots as `-l` names them: by id or name, or by `snapshot.id=…,snapshot.name=…`. */
import { Failure } from '../program.ts';
import { parseOptionList } from './option-list.ts';

/** A snapshot by id, or by name, or by both; by a text that may be either. */
export type SnapshotParameter =
  | string
  | { readonly id: string | undefined; readonly name: string | undefined };

/** @throws Failure */
export function parseSnapshotParameter(text: string): SnapshotParameter {
  if (!text.startsWith('snapshot.')) return text;
  let id: string | undefined;
  let name: string | undefined;
  for (const { name: key, value } of parseOptionList(text)) {
    if (key === 'snapshot.id') id = value;
    else if (key === 'snapshot.name') name = value;
    else {
      throw new Failure([
        `Invalid parameter '${key}'`,
        `Failed in parsing snapshot param '${text}'`,
      ]);
    }
  }
  return { id, name };
}
