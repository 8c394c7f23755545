/** Sets the COPIED flags of the active tables after references that have been counted. */
import { DirtyRange, during, type Step, type WritableStorage, writeBytes } from '@diskfile/core';
import type { Inspection } from '../check/inspection.ts';
import { TableRewriting } from '../check/repair/table-rewriting.ts';
import { clusterOffset, setCopied } from '../tables/l2-entry.ts';
import { visitEntries, visitReferences } from '../snapshots/cluster-tree.ts';

const L1_ENTRY_BYTES = 8;

/**
 * Changes entries where they lie; not durable before a flush.
 * @param inspection of the image as it is, without a reference that makes no sense
 */
export function* repairFlags(storage: WritableStorage, inspection: Inspection): Step<void> {
  yield* repairL1(storage, inspection);
  // Clusters of a data file are nobody else's, whatever happens.
  if (inspection.external) return;
  const { header, l2Tables, references } = inspection;
  const tables = l2Tables.hostOffsets.filter((offset) => l2Tables.activeUsesOf(offset) > 0);
  const rewriting = new TableRewriting(storage, header.clusterBytes);
  yield* rewriting.each(tables, (l2, _, changed) => {
    visitReferences(l2, header, (runAt, entries, firstCluster, _clusters, flagged) => {
      if (!flagged) return;
      visitEntries(header, runAt, entries, firstCluster, (at, cluster) => {
        if (setCopied(l2, at, references.tally.get(cluster) === 1)) {
          changed.add(at, at + L1_ENTRY_BYTES, l2.byteLength);
        }
      });
    });
  });
}

function* repairL1(storage: WritableStorage, { header, l1, references }: Inspection): Step<void> {
  const changed = new DirtyRange();
  const bytes = l1.slice();
  const entries = new DataView(bytes.buffer);
  for (let at = 0; at + L1_ENTRY_BYTES <= bytes.length; at += L1_ENTRY_BYTES) {
    const hostOffset = clusterOffset(entries.getUint32(at), entries.getUint32(at + 4));
    if (hostOffset === 0) continue;
    const isOwn = references.tally.get(hostOffset / header.clusterBytes) === 1;
    if (setCopied(entries, at, isOwn)) changed.add(at, at + L1_ENTRY_BYTES, bytes.length);
  }
  if (changed.isEmpty) return;
  const { from, to } = changed;
  const table = during(storage, 'l1_update');
  yield* writeBytes(table, bytes.subarray(from, to), header.l1Table.offset + from);
}
