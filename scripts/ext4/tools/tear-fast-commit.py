#!/usr/bin/env python3
"""Damage one fast commit of an image, as a write that was cut short.

usage: tear-fast-commit.py IMAGE SCRATCH_FILE NUMBER

Flips a byte of the checksum in the tail of fast commit NUMBER, counted from 0.
"""

import struct
import subprocess
import sys

import jbd2

TAIL = 8


def tails(journal: jbd2.Journal):
    """(journal block, offset) of the checksum in each tail."""
    superblock = journal.superblock
    for number in range(superblock.log_end + 1, superblock.maxlen):
        raw, offset = journal.block(number), 0
        while offset + 4 <= len(raw):
            tag, length = struct.unpack_from("<HH", raw, offset)
            if tag not in jbd2.FAST_COMMIT_TAGS:
                return
            if tag == TAIL:
                # struct ext4_fc_tail: tid, then the CRC.
                yield number, offset + 8
            offset += 4 + length


def disk_block(image: str, journal_block: int) -> int:
    result = subprocess.run(
        ["debugfs", "-R", f"bmap <8> {journal_block}", image], check=True, capture_output=True, text=True
    )
    return int(result.stdout)


def main(image: str, scratch: str, number: str) -> None:
    journal = jbd2.read_inode(image, scratch)
    block, offset = list(tails(journal))[int(number)]
    position = disk_block(image, block) * journal.superblock.block_size + offset
    with open(image, "r+b") as disk:
        disk.seek(position)
        byte = disk.read(1)[0]
        disk.seek(position)
        disk.write(bytes([byte ^ 0xFF]))


if __name__ == "__main__":
    main(*sys.argv[1:])
