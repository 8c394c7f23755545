/** Verifies the manifest of an appliance: the digests of its files. */
import { decodeName, DiskError, toHex } from '@diskfile/bytes';
import {
  type CheckContext,
  type CheckReport,
  FindingList,
  type HashAlgorithm,
  quote,
  readBytes,
  readInto,
  type Step,
} from '@diskfile/core';
import { Appliance } from './appliance.ts';
import { broken, type Member, plainName } from './tar.ts';

const MAX_MANIFEST_BYTES = 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const ALGORITHMS: Readonly<Record<string, HashAlgorithm>> = {
  SHA1: 'sha1',
  SHA256: 'sha256',
  SHA512: 'sha512',
};

export function* checkOva(context: CheckContext): Step<CheckReport> {
  if (context.repair !== undefined) {
    throw new DiskError('unsupported', 'ova.no-repair', 'An appliance is checked, not repaired');
  }
  const appliance = yield* Appliance.read(context.storage, context.limits);
  const findings = new FindingList();
  let corruptions = 0;
  const report = (detail: string, message: string, hostOffset: number) => {
    corruptions += 1;
    findings.add(() => ({ kind: 'error', detail, message, hostOffset, repaired: false }));
  };
  const manifest = appliance.members.find(({ name }) => /\.mf$/i.test(name));
  if (manifest !== undefined) {
    // Of members that are called alike the first one counts.
    const members = new Map(appliance.members.toReversed().map((each) => [each.name, each]));
    // A manifest may name a file over and over.
    const digests = new Map<string, string>();
    for (const { algorithm, name, digest } of yield* readManifest(context, manifest)) {
      const member = members.get(plainName(name));
      if (member === undefined) {
        report('ova.no-member', `The manifest names ${quote(name)}, which is missing`, 0);
        continue;
      }
      const key = `${algorithm} ${member.offset}`;
      const found = digests.get(key) ?? (yield* digestOf(context, member, algorithm));
      digests.set(key, found);
      if (found === digest) continue;
      report('ova.digest', `${quote(name)} is not what the manifest says`, member.offset);
    }
  }
  return {
    format: 'ova',
    checkErrors: 0,
    corruptions,
    corruptionsFixed: 0,
    leaks: 0,
    leaksFixed: 0,
    imageEndOffset: context.storage.sizeBytes,
    totalClusters: appliance.members.length,
    allocatedClusters: appliance.members.length,
    compressedClusters: 0,
    fragmentedClusters: 0,
    findings: findings.listed,
    findingsOmitted: findings.omitted,
  };
}

interface ManifestLine {
  readonly algorithm: HashAlgorithm;
  readonly name: string;
  readonly digest: string;
}

function* readManifest({ storage }: CheckContext, member: Member): Step<ManifestLine[]> {
  const { offset, sizeBytes } = member;
  if (sizeBytes > MAX_MANIFEST_BYTES) throw broken('The manifest is too long', offset);
  const text = decodeName(yield* readBytes(storage, offset, sizeBytes));
  return text.split(/\r?\n/).flatMap((line) => {
    const [, word, name, digest] = /^(SHA\d+) ?\((.*)\) ?= ?([0-9a-fA-F]+)\s*$/.exec(line) ?? [];
    const algorithm = word === undefined ? undefined : ALGORITHMS[word];
    if (algorithm === undefined) return [];
    return { algorithm, name: name!, digest: digest!.toLowerCase() };
  });
}

function* digestOf(
  { storage, makeHash, onProgress }: CheckContext,
  { offset, sizeBytes }: Member,
  algorithm: HashAlgorithm,
): Step<string> {
  const hash = makeHash(algorithm);
  const piece = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes));
  for (let at = 0; at < sizeBytes; at += piece.length) {
    onProgress({ done: at, total: sizeBytes });
    const wanted = piece.subarray(0, Math.min(piece.length, sizeBytes - at));
    hash.update(yield* readInto(storage, wanted, offset + at));
  }
  return toHex(hash.digest());
}
