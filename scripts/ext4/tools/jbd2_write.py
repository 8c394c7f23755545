"""Write a jbd2 log, after the kernel's ext4 documentation (journal)."""

import dataclasses
import struct

import jbd2
from crc import crc32_be, crc32c

CHECKSUM_CRC32, CHECKSUM_CRC32C = 1, 4
ALL_ONES = 0xFFFFFFFF


@dataclasses.dataclass
class Format:
    """What the journal superblock says about the log."""

    block_size: int
    first: int
    log_end: int
    compat: int
    incompat: int
    uuid: bytes
    uuid_in_every_tag: bool = False

    @property
    def checksums_blocks(self) -> bool:
        return bool(self.incompat & (jbd2.INCOMPAT_CSUM_V2 | jbd2.INCOMPAT_CSUM_V3))

    @property
    def wide(self) -> bool:
        return bool(self.incompat & jbd2.INCOMPAT_64BIT)

    @property
    def seed(self) -> int:
        return crc32c(ALL_ONES, self.uuid)


class LogWriter:
    """Appends transactions; `blocks` is what to write: (journal block, bytes)."""

    def __init__(self, form: Format, start: int):
        self.form = form
        self.position = start
        self.blocks: list[tuple[int, bytes]] = []
        self.running_crc = ALL_ONES

    def append(self, raw: bytes) -> None:
        assert len(raw) == self.form.block_size
        self.blocks.append((self.position, raw))
        self.position += 1
        if self.position == self.form.log_end:
            self.position = self.form.first

    def with_tail(self, raw: bytearray) -> bytes:
        """Put the block's checksum into its last four bytes."""
        if self.form.checksums_blocks:
            struct.pack_into(">I", raw, len(raw) - 4, crc32c(self.form.seed, raw))
        return bytes(raw)

    def head(self, kind: int, sequence: int) -> bytearray:
        raw = bytearray(self.form.block_size)
        struct.pack_into(">III", raw, 0, jbd2.MAGIC, kind, sequence)
        return raw

    def revokes(self, sequence: int, revoked: list[int]) -> None:
        letter, size = ("Q", 8) if self.form.wide else ("I", 4)
        room = (self.form.block_size - 16 - 4) // size
        for n in range(0, len(revoked), room):
            part = revoked[n : n + room]
            raw = self.head(jbd2.REVOKE, sequence)
            struct.pack_into(f">I{len(part)}{letter}", raw, 12, 16 + size * len(part), *part)
            self.append(self.with_tail(raw))

    def tag(self, sequence: int, block: int, logged: bytes, flags: int) -> bytes:
        incompat = self.form.incompat
        checksum = 0
        if self.form.checksums_blocks:
            checksum = crc32c(crc32c(self.form.seed, struct.pack(">I", sequence)), logged)
        if incompat & jbd2.INCOMPAT_CSUM_V3:
            raw = struct.pack(">IIII", block & ALL_ONES, flags, block >> 32, checksum)
        else:
            raw = struct.pack(">IHH", block & ALL_ONES, checksum & 0xFFFF, flags)
            raw += struct.pack(">I", block >> 32) if self.form.wide else b""
            raw = raw.ljust(jbd2.tag_bytes(incompat), b"\0")
        return raw if flags & jbd2.FLAG_SAME_UUID else raw + self.form.uuid

    def described(self, sequence: int, writes: list[tuple[int, bytes]], damage: bool) -> None:
        """One descriptor block and its data blocks."""
        raw, offset, data = self.head(jbd2.DESCRIPTOR, sequence), 12, []
        for n, (block, contents) in enumerate(writes):
            flags = jbd2.FLAG_LAST if n == len(writes) - 1 else 0
            if n and not self.form.uuid_in_every_tag:
                flags |= jbd2.FLAG_SAME_UUID
            if contents[:4] == struct.pack(">I", jbd2.MAGIC):
                flags |= jbd2.FLAG_ESCAPE
                contents = bytes(4) + contents[4:]
            tag = self.tag(sequence, block, contents, flags)
            raw[offset : offset + len(tag)] = tag
            offset += len(tag)
            data.append(contents)
        if damage:
            data[0] = data[0][:-1] + bytes([data[0][-1] ^ 0xFF])
        for part in (self.with_tail(raw), *data):
            self.running_crc = crc32_be(self.running_crc, part)
            self.append(part)

    def transaction(
        self,
        sequence: int,
        writes: list[tuple[int, bytes]],
        revoked: list[int],
        ending: str = "commit",
        damage: bool = False,
    ) -> None:
        """ending: "commit", "none" (torn), or "bad-checksum"."""
        self.running_crc = ALL_ONES
        self.revokes(sequence, revoked)
        per_block = (self.form.block_size - 12 - 16 - 4) // (jbd2.tag_bytes(self.form.incompat) + 16)
        for n in range(0, len(writes), per_block):
            self.described(sequence, writes[n : n + per_block], damage and n == 0)
        if ending != "none":
            self.commit(sequence, ending == "bad-checksum")

    def commit(self, sequence: int, damage: bool) -> None:
        raw = self.head(jbd2.COMMIT, sequence)
        struct.pack_into(">QI", raw, 0x30, 1_700_000_000, 123_456_789)
        checksum = 0
        if self.form.compat & jbd2.COMPAT_CHECKSUM:
            raw[0xC], raw[0xD] = CHECKSUM_CRC32, 4
            checksum = self.running_crc
        elif self.form.checksums_blocks:
            checksum = crc32c(self.form.seed, raw)
        struct.pack_into(">I", raw, 0x10, checksum ^ (0xDEADBEEF if damage else 0))
        self.append(bytes(raw))


def superblock(old: bytes, form: Format, kind: int, sequence: int, start: int) -> bytes:
    """The journal superblock for a log that begins at `start`."""
    raw = bytearray(old)
    struct.pack_into(">I", raw, 4, kind)
    struct.pack_into(">II", raw, 0x18, sequence, start)
    if kind == jbd2.SUPERBLOCK_V1:
        raw[0x24:0x400] = bytes(0x400 - 0x24)
        return bytes(raw)
    struct.pack_into(">III", raw, 0x24, form.compat, form.incompat, 0)
    raw[0x50] = CHECKSUM_CRC32C if form.checksums_blocks else 0
    # A hint of newer kernels where the log ends; it must not contradict the log.
    struct.pack_into(">I", raw, 0x58, 0)
    struct.pack_into(">I", raw, 0xFC, 0)
    if form.checksums_blocks:
        struct.pack_into(">I", raw, 0xFC, crc32c(ALL_ONES, bytes(raw[:1024])))
    return bytes(raw)
