#!/usr/bin/env python3
"""Writes VHDX disks, for tests, from the open specification [MS-VHDX] alone.

usage: vhdx.py -
       vhdx.py KIND TARGET CONTENT [--block MIB] [--sector BYTES] [--size BYTES --at OFFSET]
               [--shuffle] [--scatter] [--over PARENT --base CONTENT] [--locator KEY=TEXT …]
               [--broken header1|header2|region1|region2 …] [--region required|optional]
               [--item required|user|optional] [--log SCENARIO] [--log-mib MIB]

With "-" each line of the input is a JSON list of arguments, for a disk of its own.

CONTENT is a raw disk; with --size and --at it lies at OFFSET of a larger disk of zeros. KIND is one of
  fixed         all blocks at their places
  dynamic       blocks that are not all zero; the others are said to be so in every way there is
  differencing  what differs from BASE, the content of the disk PARENT: whole blocks, or sectors

--shuffle puts blocks in any order, with gaps; --scatter puts regions and log behind them as well.
What a bitmap calls the parent's is noise. "%LINK%" in a locator is the parent's DataWriteGuid.

With --log the file's table and bitmaps are noise until the log has been replayed:
  one       a single entry
  many      entries one after another, of which later ones correct earlier ones
  wrapped   the same, around the end of the log, the first entry in two pieces
  around    the same, with a later entry in two pieces
  torn      the same, and then an entry that was cut short
  older     the same, behind a whole sequence of an earlier time that says other things
  foreign   the same, before entries of another log
  grown     the same, in a file that is shorter than the log says it has to be in the end
Other scenarios, whose file is right as it stands:
  named     the header names a log that holds nothing
  stranger  it names another log than the one whose entries there are
And two that nobody can read: "damaged" (the only entry is not whole), and "cut" (the file is shorter
than it was when the log was written).
"""

import argparse
import json
import random
import struct
import sys
import uuid

KIB = 1024
MIB = 1024 * KIB
PAGE = 4 * KIB
BAT = "2DC27766-F623-4200-9D64-115E9BFD4A08"
METADATA = "8B7CA206-4790-4B9A-B8FE-575F050F886E"
UNKNOWN = "11111111-2222-3333-4444-555555555555"
FILE_PARAMETERS = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B"
VIRTUAL_DISK_SIZE = "2FA54224-CD1B-4876-B211-5DBED83BF4B8"
VIRTUAL_DISK_ID = "BECA12AB-B2E6-4523-93EF-C309E000C746"
LOGICAL_SECTOR_SIZE = "8141BF1D-A96F-4709-BA47-F233A8FAAB5F"
PHYSICAL_SECTOR_SIZE = "CDA348C7-445D-4471-9CC9-E9885251C556"
PARENT_LOCATOR = "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"
VHDX_LOCATOR = "B04AEFB7-D19E-4A81-B789-25B8E9445913"
ABSENT = (0, 1, 2, 3)
ZERO, WHOLE, PARTIAL = 2, 6, 7
REPLAYED = ("one", "many", "wrapped", "around", "torn", "older", "foreign", "grown", "damaged", "cut")


def crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC = crc_table()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = CRC[(value ^ byte) & 255] ^ value >> 8
    return value ^ 0xFFFFFFFF


def summed(data: bytes) -> bytes:
    """With the checksum in its place behind the signature."""
    blank = data[:4] + bytes(4) + data[8:]
    return data[:4] + struct.pack("<I", crc32c(blank)) + data[8:]


def guid(text: str) -> bytes:
    return uuid.UUID(text).bytes_le


def up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


class Parts:
    """Pieces of the file by their offsets; later ones go over earlier ones."""

    def __init__(self):
        self.pieces: list[tuple[int, bytes]] = []

    def put(self, offset: int, data: bytes) -> None:
        self.pieces.append((offset, data))

    def write(self, path: str, size: int) -> None:
        with open(path, "wb") as file:
            for offset, data in self.pieces:
                file.seek(offset)
                file.write(data)
            file.truncate(size)


class Disk:
    def __init__(self, args):
        self.args = args
        self.block = args.block * MIB
        with open(args.content, "rb") as file:
            self.content = file.read()
        self.at = args.at
        self.size = args.size or len(self.content)
        self.base = None
        if args.kind == "differencing":
            with open(args.base, "rb") as file:
                self.base = file.read().ljust(len(self.content), b"\0")
        self.count = up(self.size, self.block) // self.block
        self.ratio = 2**23 * args.sector // self.block
        self.random = random.Random(7)
        chunks = up(self.count, self.ratio) // self.ratio
        self.entries = [0] * (chunks * (self.ratio + 1) if self.base else self.count + (self.count - 1) // self.ratio)
        self.parts = Parts()
        self.bitmaps: dict[int, bytearray] = {}
        self.bitmap_places: list[tuple[int, bytearray]] = []

    def entry_of(self, block: int) -> int:
        return block + block // self.ratio

    def window(self, data: bytes, block: int) -> tuple[int, bytes]:
        """What of the content is in a block, and from where in it."""
        start = block * self.block - self.at
        first = max(start, 0)
        return first - start, data[first : max(start + self.block, 0)]

    def touched(self) -> range:
        return range(self.at // self.block, min(self.count, up(self.at + len(self.content), self.block) // self.block))

    def place_blocks(self, offset: int) -> int:
        """Fills in the table; the offset behind the last block."""
        wanted: list[tuple[int, int, bytes]] = []
        for block in range(self.count) if self.args.kind == "fixed" else self.touched():
            inside, data = self.window(self.content, block)
            if self.base is not None:
                self.place_over_base(block, inside, data, wanted)
            elif self.args.kind == "fixed" or any(data):
                wanted.append((block, inside, data))
            else:
                self.entries[self.entry_of(block)] = ABSENT[block % 4]
        if self.args.shuffle or self.args.scatter:
            random.Random(3).shuffle(wanted)
        for number, (block, inside, data) in enumerate(wanted):
            if self.args.shuffle:
                offset += number % 3 * MIB
            self.parts.put(offset + inside, data)
            state = PARTIAL if self.is_partial(block) else WHOLE
            self.entries[self.entry_of(block)] = offset | state
            offset += self.block
        for chunk, bitmap in self.bitmaps.items():
            self.parts.put(offset, bytes(bitmap))
            self.bitmap_places.append((offset, bitmap))
            self.entries[chunk * (self.ratio + 1) + self.ratio] = offset | WHOLE
            offset += MIB
        return offset

    def place_over_base(self, block: int, inside: int, data: bytes, wanted: list) -> None:
        sector = self.args.sector
        _, below = self.window(self.base, block)
        if data == below:
            return
        if not any(data) and inside == 0 and len(data) == self.block:
            self.entries[self.entry_of(block)] = ZERO
            return
        own = [data[at : at + sector] != below[at : at + sector] for at in range(0, len(data), sector)]
        if all(own) and len(data) == self.block:
            wanted.append((block, inside, data))
            return
        bitmap = self.bitmaps.setdefault(block // self.ratio, bytearray(MIB))
        first = block % self.ratio * (self.block // sector) + inside // sector
        out = bytearray()
        for number, is_own in enumerate(own):
            place = slice(number * sector, (number + 1) * sector)
            if is_own:
                bitmap[(first + number) // 8] |= 1 << (first + number) % 8
                out += data[place]
            else:
                out += self.random.randbytes(len(data[place]))
        wanted.append((block, inside, bytes(out)))

    def is_partial(self, block: int) -> bool:
        bitmap = self.bitmaps.get(block // self.ratio)
        if bitmap is None:
            return False
        length = self.block // self.args.sector // 8
        first = block % self.ratio * length
        return any(bitmap[first : first + length])

    def locator(self) -> bytes:
        with open(self.args.over, "rb") as file:
            head = file.read(MIB)
        headers = [head[at : at + PAGE] for at in (64 * KIB, 128 * KIB)]
        newest = max(headers, key=lambda each: struct.unpack_from("<Q", each, 8)[0] if each[:4] == b"head" else 0)
        link = "{%s}" % uuid.UUID(bytes_le=newest[32:48])
        pairs = [each.replace("%LINK%", link).split("=", 1) for each in self.args.locator]
        texts = [text.encode("utf-16-le") for pair in pairs for text in pair]
        out = guid(VHDX_LOCATOR) + struct.pack("<HH", 0, len(pairs))
        at = len(out) + 12 * len(pairs)
        for number in range(len(pairs)):
            key, value = texts[number * 2 : number * 2 + 2]
            out += struct.pack("<IIHH", at, at + len(key), len(key), len(value))
            at += len(key) + len(value)
        return out + b"".join(texts)

    def metadata(self) -> bytes:
        required, disk = 4, 2
        flags = (1 if self.args.kind == "fixed" else 0) | (2 if self.base is not None else 0)
        items = [
            (PHYSICAL_SECTOR_SIZE, struct.pack("<I", 4096), required | disk),
            (LOGICAL_SECTOR_SIZE, struct.pack("<I", self.args.sector), required | disk),
            (FILE_PARAMETERS, struct.pack("<II", self.block, flags), required),
            (VIRTUAL_DISK_ID, random.Random(self.args.target).randbytes(16), required | disk),
            (VIRTUAL_DISK_SIZE, struct.pack("<Q", self.size), required | disk),
        ]
        if self.base is not None:
            items.insert(1, (PARENT_LOCATOR, self.locator(), required))
        if self.args.item:
            kinds = {"required": required, "user": required | 1, "optional": 0}
            items.append((UNKNOWN, b"unknown", kinds[self.args.item]))
        table = b"metadata" + struct.pack("<HH", 0, len(items)) + bytes(20)
        data = b""
        for item, value, item_flags in items:
            data += bytes(8)
            table += guid(item) + struct.pack("<IIII", 64 * KIB + len(data), len(value), item_flags, 0)
            data += value
        return table.ljust(64 * KIB, b"\0") + data


class Log:
    """Entries in the ring of the log."""

    def __init__(self, length: int, end: int):
        self.ring = bytearray(length)
        self.end = end
        self.at = 0

    def entry(self, changes, *, number: int, log: bytes, tail: int, flushed: int, damage=False) -> int:
        """@param changes (offset, page) or (offset, length of zeros); @return where the entry is"""
        count = len(changes)
        length = up(64 + 32 * count, PAGE)
        descriptors, sectors = b"", b""
        for offset, what in changes:
            if isinstance(what, int):
                descriptors += b"zero" + bytes(4) + struct.pack("<QQQ", what, offset, number)
            else:
                descriptors += b"desc" + what[-4:] + what[:8] + struct.pack("<QQ", offset, number)
                sectors += b"data" + struct.pack("<I", number >> 32) + what[8:-4] + struct.pack("<I", number & 0xFFFFFFFF)
        total = length + len(sectors)
        head = b"loge" + struct.pack("<IIIQII", 0, total, tail, number, count, 0) + log
        head += struct.pack("<QQ", flushed, self.end)
        data = bytearray(summed((head + descriptors).ljust(length, b"\0") + sectors))
        if damage:
            data[-512:] = b"\xee" * 512
        at = self.at
        for index, byte_at in enumerate(range(0, total, PAGE)):
            place = (at + index * PAGE) % len(self.ring)
            self.ring[place : place + PAGE] = data[byte_at : byte_at + PAGE]
        self.at = (at + total) % len(self.ring)
        return at


def write_log(scenario: str, changes: list, length: int, end: int, size: int) -> tuple[bytes, bytes]:
    """The ring, and the GUID that the header has to name."""
    ours, other = random.Random(1).randbytes(16), random.Random(2).randbytes(16)
    noise = [(offset, random.Random(offset).randbytes(PAGE)) for offset, what in changes if not isinstance(what, int)]
    log = Log(length, end)
    if scenario == "named":
        return bytes(log.ring), ours
    if scenario == "stranger":
        log.entry(noise, number=9, log=other, tail=0, flushed=size)
        return bytes(log.ring), ours
    if scenario in ("one", "damaged", "cut"):
        flushed = size + MIB if scenario == "cut" else size
        log.entry(changes, number=2**40 + 5, log=ours, tail=0, flushed=flushed, damage=scenario == "damaged")
        return bytes(log.ring), ours
    number = 1000
    if scenario == "older":
        tail = log.at
        for change in noise:
            log.entry([change], number=number - 500, log=ours, tail=tail, flushed=size)
            number += 1
        log.at = (log.at + 3 * PAGE) % length
    elif scenario == "wrapped":
        log.at = length - PAGE
    elif scenario == "around":
        # The second entry has its first sector at the end of the log.
        log.at = length - up(64 + 32 * len(noise), PAGE) - len(noise) * PAGE - PAGE
    tail = log.at
    groups = [noise] + [changes[at : at + 2] for at in range(0, len(changes), 2)]
    for group in groups:
        log.entry(group, number=number, log=ours, tail=tail, flushed=size)
        number += 1
    if scenario == "torn":
        log.entry(noise, number=number, log=ours, tail=tail, flushed=size, damage=True)
    elif scenario == "foreign":
        log.entry(noise, number=number, log=other, tail=tail, flushed=size)
    return bytes(log.ring), ours


def make(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["fixed", "dynamic", "differencing"])
    parser.add_argument("target")
    parser.add_argument("content")
    parser.add_argument("--block", type=int, default=1)
    parser.add_argument("--sector", type=int, default=512)
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--scatter", action="store_true")
    parser.add_argument("--over")
    parser.add_argument("--base")
    parser.add_argument("--locator", action="append", default=[])
    parser.add_argument("--broken", action="append", default=[])
    parser.add_argument("--region", choices=["required", "optional"])
    parser.add_argument("--item", choices=["required", "user", "optional"])
    parser.add_argument("--log", default="")
    parser.add_argument("--log-mib", type=int, default=1)
    args = parser.parse_args(arguments)
    disk = Disk(args)
    parts = disk.parts
    bat_length = up(len(disk.entries) * 8, MIB)
    log_length = args.log_mib * MIB
    structures = 1 * MIB
    if args.scatter:
        # Between headers and regions lie the blocks.
        structures = disk.place_blocks(2 * MIB)
    places = {"metadata": structures, "bat": structures + 2 * MIB}
    places["log"] = places["bat"] + bat_length
    end = places["log"] + log_length
    if not args.scatter:
        end = disk.place_blocks(end)
    bat = struct.pack(f"<{len(disk.entries)}Q", *disk.entries)
    parts.put(places["bat"], bat)
    parts.put(places["metadata"], disk.metadata())
    size = end
    ring, log_guid = bytes(log_length), bytes(16)
    if args.log:
        if args.log == "grown":
            end += MIB
        changes = []
        for offset, data in [(places["bat"], bat), *disk.bitmap_places]:
            padded = bytes(data).ljust(up(len(data), PAGE), b"\0")
            for at in range(0, len(padded), PAGE):
                page = padded[at : at + PAGE]
                changes.append((offset + at, page if any(page) else PAGE))
        # A page of the metadata, and one of zeros behind its table.
        changes.append((places["metadata"], disk.metadata()[:PAGE]))
        changes.append((places["metadata"] + PAGE, 15 * PAGE))
        ring, log_guid = write_log(args.log, changes, log_length, end, size)
        if args.log in REPLAYED:
            for offset, what in changes:
                length = what if isinstance(what, int) else PAGE
                parts.put(offset, random.Random(offset + 1).randbytes(length))
    parts.put(places["log"], ring)
    parts.put(0, b"vhdxfile" + "vhdx.py".encode("utf-16-le"))
    content_id = random.Random(args.target + "data").randbytes(16)
    for number, offset in enumerate((64 * KIB, 128 * KIB)):
        # The second is the newer one, unless it is broken: then the first has to do.
        is_older = number == 0 and "header2" not in args.broken
        head = b"head" + struct.pack("<IQ", 0, 70 + number) + bytes(range(16)) + content_id
        head += (bytes(16) if is_older else log_guid) + struct.pack("<HHIQ", 0, 1, log_length, places["log"])
        data = bytearray(summed(head.ljust(PAGE, b"\0")))
        if f"header{number + 1}" in args.broken:
            data[20] ^= 1
        parts.put(offset, bytes(data))
    regions = [(METADATA, places["metadata"], MIB, 1), (BAT, places["bat"], bat_length, 1)]
    if args.region:
        regions.insert(0, (UNKNOWN, places["metadata"] + MIB, MIB, 1 if args.region == "required" else 0))
    table = b"regi" + struct.pack("<III", 0, len(regions), 0)
    for kind, offset, length, required in regions:
        table += guid(kind) + struct.pack("<QII", offset, length, required)
    for number, offset in enumerate((192 * KIB, 256 * KIB)):
        data = bytearray(summed(table.ljust(64 * KIB, b"\0")))
        if f"region{number + 1}" in args.broken:
            data[40] ^= 1
        parts.put(offset, bytes(data))
    parts.write(args.target, size)


if sys.argv[1:] == ["-"]:
    for line in sys.stdin:
        make(json.loads(line))
else:
    make(sys.argv[1:])
