#!/usr/bin/env python3
"""Give an image a log, written by hand, that leads it through given states.

usage: make-journal.py VARIANT IMAGE STATE...

IMAGE is the clean filesystem to start from, each STATE the same filesystem, clean,
somewhat later. Every transaction holds all blocks in which two neighbouring states
differ, data included, so replaying all of them turns IMAGE into the last STATE.
Variants differ in how the log is written and in how it ends; see VARIANTS.
"""

import dataclasses
import itertools
import struct
import subprocess
import sys

import jbd2
import jbd2_write
from crc import crc32c

SUPERBLOCK_OFFSET = 1024
INCOMPAT_RECOVER = 0x4
RO_COMPAT_METADATA_CSUM = 0x400


@dataclasses.dataclass
class Variant:
    compat: int = 0
    incompat: int = 0
    kind: int = jbd2.SUPERBLOCK_V2
    sequence: int = 100
    start: int = 1  # negative: that far before the end of the log
    uuid_in_every_tag: bool = False
    last_ending: str = "commit"
    damage_last_data: bool = False
    stale_after: bool = False
    revoke: bool = False


V2, V3, WIDE, REVOKE = jbd2.INCOMPAT_CSUM_V2, jbd2.INCOMPAT_CSUM_V3, jbd2.INCOMPAT_64BIT, jbd2.INCOMPAT_REVOKE
VARIANTS = {
    "v1-superblock": Variant(kind=jbd2.SUPERBLOCK_V1),
    "csum-v2-32bit": Variant(incompat=V2),
    "csum-v2-64bit": Variant(incompat=V2 | WIDE),
    "csum-v3-uuids": Variant(incompat=V3 | WIDE, uuid_in_every_tag=True),
    "no-csum-uuids": Variant(incompat=WIDE, uuid_in_every_tag=True),
    "sequence-wraps": Variant(incompat=V3, sequence=0xFFFFFFFF),
    "log-wraps": Variant(incompat=V2 | WIDE, start=-20),
    "stale-after": Variant(incompat=WIDE, stale_after=True),
    "torn-commit": Variant(incompat=V3 | WIDE, last_ending="none"),
    "torn-no-csum": Variant(last_ending="none"),
    "bad-commit-v1": Variant(compat=jbd2.COMPAT_CHECKSUM, last_ending="bad-checksum"),
    "bad-commit-v2": Variant(incompat=V2, last_ending="bad-checksum"),
    "bad-commit-v3": Variant(incompat=V3 | WIDE, last_ending="bad-checksum"),
    "bad-commit-async": Variant(
        compat=jbd2.COMPAT_CHECKSUM, incompat=jbd2.INCOMPAT_ASYNC_COMMIT, last_ending="bad-checksum"
    ),
    "bad-data-v3": Variant(incompat=V3 | WIDE, damage_last_data=True),
    "revokes-64bit": Variant(incompat=V2 | WIDE | REVOKE, revoke=True),
    "revokes-32bit": Variant(incompat=REVOKE, revoke=True),
    "unknown-feature": Variant(incompat=V3 | WIDE | 0x40000000),
}


class Image:
    def __init__(self, path: str):
        with open(path, "rb") as source:
            self.raw = source.read()
        self.block_size = 1024 << struct.unpack_from("<I", self.raw, SUPERBLOCK_OFFSET + 0x18)[0]

    def block(self, number: int) -> bytes:
        return self.raw[number * self.block_size : (number + 1) * self.block_size]


def journal_blocks(path: str, count: int) -> list[int]:
    """Where each block of the journal lies, asked of debugfs."""
    commands = "".join(f"bmap <8> {n}\n" for n in range(count))
    run = subprocess.run(["debugfs", "-f", "-", path], input=commands, check=True, capture_output=True, text=True)
    return [int(line) for line in run.stdout.splitlines() if line.isdigit()]


def marked_dirty(raw: bytes, offset: int) -> bytes:
    """A block with the ext4 superblock at `offset`, with needs_recovery set."""
    block = bytearray(raw)
    view = block[offset : offset + 1024]
    struct.pack_into("<I", view, 0x60, struct.unpack_from("<I", view, 0x60)[0] | INCOMPAT_RECOVER)
    if struct.unpack_from("<I", view, 0x64)[0] & RO_COMPAT_METADATA_CSUM:
        struct.pack_into("<I", view, 0x3FC, crc32c(0xFFFFFFFF, view[:0x3FC]))
    block[offset : offset + 1024] = view
    return bytes(block)


def changes(before: Image, after: Image, excluded: set[int]) -> list[tuple[int, bytes]]:
    size, found = before.block_size, []
    for number in range(len(before.raw) // size):
        if number in excluded or before.block(number) == after.block(number):
            continue
        contents = after.block(number)
        if number == SUPERBLOCK_OFFSET // size:
            contents = marked_dirty(contents, SUPERBLOCK_OFFSET % size)
        found.append((number, contents))
    return found


def untouched_blocks(path: str) -> list[int]:
    """Blocks of files that crash.py made and no later state changes."""
    commands = "".join(f"blocks /base/dir-{n}/file-10\n" for n in range(10))
    run = subprocess.run(["debugfs", "-f", "-", path], input=commands, check=True, capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if not line.startswith("debugfs:")]
    return [int(word) for line in lines for word in line.split()]


def write_log(writer: jbd2_write.LogWriter, variant: Variant, steps: list[list], untouched: list[int]) -> None:
    garbage = b"must never reach its place ".ljust(writer.form.block_size, b"!")
    for n, writes in enumerate(steps):
        sequence, last = (variant.sequence + n) & 0xFFFFFFFF, n == len(steps) - 1
        extra, revoked = [], []
        if variant.revoke and n == 0:
            extra = [(block, garbage) for block in untouched]
            # Blocks of the next step: their revoke here must not hinder it.
            revoked = [block for block, _ in steps[1][:5]]
        if variant.revoke and n == 1:
            revoked = untouched
        writer.transaction(
            sequence,
            writes + extra,
            revoked,
            variant.last_ending if last else "commit",
            variant.damage_last_data and last,
        )
    if variant.stale_after:
        # What an earlier round of the log left there.
        writer.transaction(variant.sequence - 50, [(block, garbage) for block, _ in steps[0]], [])


def main(name: str, path: str, *state_paths: str) -> None:
    variant, states = VARIANTS[name], [Image(path), *map(Image, state_paths)]
    base = states[0]
    old = jbd2.read_inode(path, f"{path}.journal")
    where = journal_blocks(path, old.superblock.maxlen)
    assert len(where) == old.superblock.maxlen and old.superblock.start == 0
    excluded = set(where)
    steps = [changes(before, after, excluded) for before, after in itertools.pairwise(states)]
    form = jbd2_write.Format(
        block_size=base.block_size,
        first=old.superblock.first,
        log_end=old.superblock.log_end,
        compat=variant.compat,
        incompat=variant.incompat,
        uuid=old.superblock.uuid,
        uuid_in_every_tag=variant.uuid_in_every_tag,
    )
    start = variant.start if variant.start > 0 else form.log_end + variant.start
    writer = jbd2_write.LogWriter(form, start)
    write_log(writer, variant, steps, untouched_blocks(path) if variant.revoke else [])
    assert len(writer.blocks) < form.log_end - form.first, "the log is too small"
    head = jbd2_write.superblock(old.block(0), form, variant.kind, variant.sequence, start)
    with open(path, "r+b") as disk:
        for number, contents in [(0, head), *writer.blocks]:
            disk.seek(where[number] * base.block_size)
            disk.write(contents)
        number = SUPERBLOCK_OFFSET // base.block_size
        disk.seek(number * base.block_size)
        disk.write(marked_dirty(base.block(number), SUPERBLOCK_OFFSET % base.block_size))


if __name__ == "__main__":
    main(*sys.argv[1:])
