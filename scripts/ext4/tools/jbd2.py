"""The journal's on-disk format, after the kernel's ext4 documentation (journal).

Written for making and describing test images only: it trusts what it reads.
"""

import itertools
import struct
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = 0xC03B3998
DESCRIPTOR, COMMIT, SUPERBLOCK_V1, SUPERBLOCK_V2, REVOKE = 1, 2, 3, 4, 5

COMPAT_CHECKSUM = 0x1
INCOMPAT_REVOKE = 0x1
INCOMPAT_64BIT = 0x2
INCOMPAT_ASYNC_COMMIT = 0x4
INCOMPAT_CSUM_V2 = 0x8
INCOMPAT_CSUM_V3 = 0x10
INCOMPAT_FAST_COMMIT = 0x20

FLAG_ESCAPE, FLAG_SAME_UUID, FLAG_DELETED, FLAG_LAST = 1, 2, 4, 8
DEFAULT_FAST_COMMIT_BLOCKS = 256

FAST_COMMIT_TAGS = {
    1: "add-range",
    2: "del-range",
    3: "create",
    4: "link",
    5: "unlink",
    6: "inode",
    7: "pad",
    8: "tail",
    9: "head",
}


def tag_bytes(incompat: int) -> int:
    """Size of a block tag without its UUID.

    The 2 bytes that checksum v2 adds hold nothing; they are there because the
    checksum was once meant to follow the tag.
    """
    if incompat & INCOMPAT_CSUM_V3:
        return 16
    size = 12 if incompat & INCOMPAT_64BIT else 8
    return size + 2 if incompat & INCOMPAT_CSUM_V2 else size


class Superblock(NamedTuple):
    block_size: int
    maxlen: int
    first: int
    sequence: int
    start: int
    compat: int
    incompat: int
    uuid: bytes
    fast_commit_blocks: int

    @property
    def log_end(self) -> int:
        """The block number at which the log wraps to `first`."""
        return self.maxlen - self.fast_commit_blocks


def parse_superblock(raw: bytes) -> Superblock:
    magic, kind = struct.unpack_from(">II", raw)
    assert magic == MAGIC and kind in (SUPERBLOCK_V1, SUPERBLOCK_V2)
    block_size, maxlen, first, sequence, start = struct.unpack_from(">5I", raw, 0xC)
    compat = incompat = blocks = 0
    if kind == SUPERBLOCK_V2:
        compat, incompat = struct.unpack_from(">II", raw, 0x24)
    if incompat & INCOMPAT_FAST_COMMIT:
        blocks = struct.unpack_from(">I", raw, 0x54)[0] or DEFAULT_FAST_COMMIT_BLOCKS
    return Superblock(block_size, maxlen, first, sequence, start, compat, incompat, raw[0x30:0x40], blocks)


class Tag(NamedTuple):
    block: int
    flags: int
    log_block: int


class Transaction(NamedTuple):
    sequence: int
    log_blocks: list[int]
    tags: list[Tag]
    revoked: list[int]


class Journal:
    """A journal as a byte string, read from its inode or its device."""

    def __init__(self, raw: bytes):
        self.superblock = parse_superblock(raw)
        self.raw = raw

    def block(self, number: int) -> bytes:
        size = self.superblock.block_size
        return self.raw[number * size : (number + 1) * size]

    def next(self, number: int) -> int:
        return self.superblock.first if number + 1 >= self.superblock.log_end else number + 1

    def transactions(self) -> Iterator[Transaction]:
        """Every transaction that has a commit block, oldest first; checksums unseen."""
        sequence, position = self.superblock.sequence, self.superblock.start
        current = Transaction(sequence, [], [], [])
        while position:
            raw = self.block(position)
            magic, kind, found = struct.unpack_from(">III", raw)
            if magic != MAGIC or found != sequence or len(current.log_blocks) > self.superblock.maxlen:
                return
            current.log_blocks.append(position)
            position = self.next(position)
            if kind == DESCRIPTOR:
                for block, flags in self.tags(raw):
                    current.tags.append(Tag(block, flags, position))
                    current.log_blocks.append(position)
                    position = self.next(position)
            elif kind == REVOKE:
                current.revoked.extend(self.revoked(raw))
            elif kind == COMMIT:
                yield current
                sequence = (sequence + 1) & 0xFFFFFFFF
                current = Transaction(sequence, [], [], [])

    def is_wrapped(self) -> bool:
        """Whether what waits in the log runs past its end to its beginning."""
        log = [block for transaction in self.transactions() for block in transaction.log_blocks]
        return any(later < earlier for earlier, later in itertools.pairwise(log))

    def tags(self, raw: bytes) -> Iterator[tuple[int, int]]:
        incompat = self.superblock.incompat
        size, offset, flags = tag_bytes(incompat), 12, 0
        while not flags & FLAG_LAST:
            if incompat & INCOMPAT_CSUM_V3:
                block, flags, high = struct.unpack_from(">III", raw, offset)
            else:
                block, _, flags = struct.unpack_from(">IHH", raw, offset)
                high = struct.unpack_from(">I", raw, offset + 8)[0] if incompat & INCOMPAT_64BIT else 0
            yield block | (high << 32 if incompat & INCOMPAT_64BIT else 0), flags
            offset += size + (0 if flags & FLAG_SAME_UUID else 16)

    def revoked(self, raw: bytes) -> list[int]:
        used = struct.unpack_from(">I", raw, 12)[0]
        letter, size = ("Q", 8) if self.superblock.incompat & INCOMPAT_64BIT else ("I", 4)
        return list(struct.unpack_from(f">{(used - 16) // size}{letter}", raw, 16))

    def contents(self, tag: Tag) -> bytes:
        raw = self.block(tag.log_block)
        return struct.pack(">I", MAGIC) + raw[4:] if tag.flags & FLAG_ESCAPE else raw

    def fast_commit_tags(self, expected: int) -> Iterator[str]:
        """Tag names of the finished fast commits that follow transaction `expected` - 1."""
        superblock, pending = self.superblock, []
        # Kernels leave the first block of the area unused.
        for number in range(superblock.log_end + 1, superblock.maxlen):
            raw, offset = self.block(number), 0
            while offset + 4 <= len(raw):
                tag, length = struct.unpack_from("<HH", raw, offset)
                if tag not in FAST_COMMIT_TAGS:
                    return
                name = FAST_COMMIT_TAGS[tag]
                pending.append(name)
                if name == "tail":
                    if struct.unpack_from("<I", raw, offset + 4)[0] != expected:
                        return
                    yield from pending
                    pending = []
                offset += 4 + length


def read_inode(image: str, scratch: str) -> Journal:
    """The internal journal (inode 8) of an image, through debugfs."""
    subprocess.run(["debugfs", "-R", f"dump <8> {scratch}", image], check=True, capture_output=True)
    with open(scratch, "rb") as source:
        return Journal(source.read())
