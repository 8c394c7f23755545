#!/usr/bin/env python3
"""Describe the log that waits in an image's internal journal, as JSON.

usage: journal-facts.py IMAGE SCRATCH_FILE
"""

import collections
import json
import sys

import jbd2

NAMES = [
    ("compat", jbd2.COMPAT_CHECKSUM, "checksum-v1"),
    ("incompat", jbd2.INCOMPAT_REVOKE, "revoke"),
    ("incompat", jbd2.INCOMPAT_64BIT, "64bit"),
    ("incompat", jbd2.INCOMPAT_ASYNC_COMMIT, "async-commit"),
    ("incompat", jbd2.INCOMPAT_CSUM_V2, "checksum-v2"),
    ("incompat", jbd2.INCOMPAT_CSUM_V3, "checksum-v3"),
    ("incompat", jbd2.INCOMPAT_FAST_COMMIT, "fast-commit"),
]


def revokes_that_matter(journal: jbd2.Journal, transactions: list, image: str) -> int:
    """Revoked blocks whose logged copy is not what the disk now holds there."""
    size = journal.superblock.block_size
    last_logged, revoked = {}, {}
    for transaction in transactions:
        for tag in transaction.tags:
            last_logged[tag.block] = (transaction.sequence, tag)
        for block in transaction.revoked:
            revoked[block] = transaction.sequence
    count = 0
    with open(image, "rb") as disk:
        for block, sequence in revoked.items():
            logged = last_logged.get(block)
            if logged and logged[0] <= sequence:
                disk.seek(block * size)
                count += disk.read(size) != journal.contents(logged[1])
    return count


def facts(image: str, scratch: str) -> dict:
    journal = jbd2.read_inode(image, scratch)
    superblock = journal.superblock
    transactions = list(journal.transactions())
    tags = [tag for transaction in transactions for tag in transaction.tags]
    found = {
        "features": [name for field, bit, name in NAMES if getattr(superblock, field) & bit],
        "blocks": superblock.maxlen,
        "sequence": superblock.sequence,
        "start": superblock.start,
        "transactions": len(transactions),
        "log_blocks": sum(len(transaction.log_blocks) for transaction in transactions),
        "tagged_blocks": len(tags),
        "escaped_blocks": sum(bool(tag.flags & jbd2.FLAG_ESCAPE) for tag in tags),
        "revoked_blocks": sum(len(transaction.revoked) for transaction in transactions),
        "revokes_that_matter": revokes_that_matter(journal, transactions, image),
        "wrapped": journal.is_wrapped(),
    }
    if superblock.fast_commit_blocks:
        expected = superblock.sequence + len(transactions)
        found["fast_commit_tags"] = collections.Counter(journal.fast_commit_tags(expected))
    return found


if __name__ == "__main__":
    print(json.dumps(facts(*sys.argv[1:])))
