#!/usr/bin/env python3
"""Writes VHD images, for tests, from Microsoft's specification of the format (version 1.0) alone.

usage: vhd.py -
       vhd.py KIND TARGET CONTENT [--block BYTES] [--shuffle] [--scatter] [--creator CODE] [--id HEX]
               [--over PARENT --base CONTENT] [--locator CODE=TEXT …] [--space bytes|sectors]
               [--name TEXT] [--stamp SECONDS] [--parent-id HEX] [--table ENTRIES]
               [--geometry CYLINDERS,HEADS,SECTORS] [--short-footer]

With "-" each line of the input is a JSON list of arguments, for an image of its own.

CONTENT is a raw disk. KIND is one of
  fixed         the disk, and a footer behind it
  dynamic       blocks that are not all zero
  differencing  sectors that differ from BASE, the content of the disk PARENT

--shuffle puts blocks in any order, with gaps between them; --scatter puts header, table and
locators between them too, and adds blocks of which no sector is the disk's own. What a bitmap calls
the parent's is noise. A locator is one of W2ru, W2ku (UTF-16, little endian, as Windows writes it),
Wi2r, Wi2k (bytes), MacX (a file URL) or "Mac " (a blob), and stands in the header in the order given.
--short-footer leaves out the last byte of the footer at the end, as Virtual PC did before 2004.
"""

import argparse
import json
import random
import struct
import sys

SECTOR = 512
NOWHERE = 2**64 - 1
UNUSED = 0xFFFFFFFF


def up(value: int, unit: int) -> int:
    return -(-value // unit)


def pad(data: bytes, unit: int = SECTOR) -> bytes:
    return data + bytes(-len(data) % unit)


def with_checksum(data: bytes, at: int) -> bytes:
    """The ones' complement of the sum of the bytes, the field itself left out."""
    total = sum(data) - sum(data[at : at + 4])
    return data[:at] + struct.pack(">I", ~total & 0xFFFFFFFF) + data[at + 4 :]


def geometry(sectors: int) -> tuple[int, int, int]:
    """Appendix "CHS Calculation"."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        per_track, heads = 255, 16
        tracks = sectors // per_track
    else:
        per_track = 17
        tracks = sectors // per_track
        heads = max(4, (tracks + 1023) // 1024)
        if tracks >= heads * 1024 or heads > 16:
            per_track, heads = 31, 16
            tracks = sectors // per_track
        if tracks >= heads * 1024:
            per_track, heads = 63, 16
            tracks = sectors // per_track
    return tracks // heads, heads, per_track


def footer(size: int, kind: str, args, header_at: int) -> bytes:
    kinds = {"fixed": 2, "dynamic": 3, "differencing": 4}
    cylinders, heads, per_track = args.geometry or geometry(size // SECTOR)
    head = struct.pack(
        ">8sIIQI4sI4sQQHBBII16sB",
        b"conectix",
        2,
        0x00010000,
        header_at,
        777_000_000,
        args.creator.encode().ljust(4, b"\0"),
        0x000A0000,
        b"Wi2k",
        size,
        size,
        cylinders,
        heads,
        per_track,
        kinds[kind],
        0,
        bytes.fromhex(args.id),
        0,
    )
    return with_checksum(head.ljust(SECTOR, b"\0"), 64)


def locator_data(code: str, text: str) -> bytes:
    return text.encode("utf-16-le" if code in ("W2ru", "W2ku") else "utf-8")


def header(args, table_at: int, entries: int, locators: list[tuple[str, int, int]], parent: dict) -> bytes:
    name = parent.get("name", "").encode("utf-16-be")
    head = struct.pack(
        ">8sQQIIII16sII512s",
        b"cxsparse",
        NOWHERE,
        table_at,
        0x00010000,
        entries,
        args.block,
        0,
        parent.get("id", bytes(16)),
        parent.get("stamp", 0),
        0,
        name,
    )
    for code, at, length in locators:
        space = up(length, SECTOR) * (1 if args.space == "sectors" else SECTOR)
        head += struct.pack(">4sIIIQ", code.encode(), space, length, 0, at)
    return with_checksum(head.ljust(1024, b"\0"), 36)


class Blocks:
    """The blocks that the image has to hold: each its bitmap and its sectors."""

    def __init__(self, content: bytes, base: bytes | None, args):
        self.content = content
        self.base = base
        self.block = args.block
        self.noise = random.Random(7)
        self.bitmap_bytes = up(up(args.block // SECTOR, 8), SECTOR) * SECTOR
        self.count = up(len(content), args.block)
        self.held = [index for index in range(self.count) if self.is_held(index)]
        if args.scatter and base is not None:
            self.held += [index for index in range(self.count) if index not in self.held][::2]
        if args.shuffle or args.scatter:
            random.Random(3).shuffle(self.held)

    def cut(self, data: bytes, index: int) -> bytes:
        return data[index * self.block : (index + 1) * self.block].ljust(self.block, b"\0")

    def is_held(self, index: int) -> bool:
        below = bytes(self.block) if self.base is None else self.cut(self.base, index)
        return self.cut(self.content, index) != below

    def bytes_of(self, index: int) -> bytes:
        data = self.cut(self.content, index)
        if self.base is None:
            return b"\xff" * self.bitmap_bytes + data
        below = self.cut(self.base, index)
        bitmap = bytearray(self.bitmap_bytes)
        out = bytearray()
        for sector in range(self.block // SECTOR):
            place = slice(sector * SECTOR, (sector + 1) * SECTOR)
            if data[place] != below[place]:
                bitmap[sector // 8] |= 0x80 >> sector % 8
                out += data[place]
            else:
                out += self.noise.randbytes(SECTOR)
        return bytes(bitmap) + bytes(out)


def sparse(content: bytes, args) -> bytes:
    base = None
    parent: dict = {}
    if args.kind == "differencing":
        with open(args.base, "rb") as file:
            base = file.read().ljust(len(content), b"\0")
        with open(args.over, "rb") as file:
            foot = file.read()[-SECTOR:]
        stamp = struct.unpack_from(">I", foot, 24)[0] if args.stamp is None else args.stamp
        unique_id = foot[68:84] if args.parent_id is None else bytes.fromhex(args.parent_id)
        parent = {"id": unique_id, "stamp": stamp, "name": args.name}
    blocks = Blocks(content, base, args)
    texts = [each.split("=", 1) for each in args.locator]
    entries = max(blocks.count, args.table)
    table = [UNUSED] * entries
    out = bytearray(SECTOR)
    places: dict[str, int] = {}
    locators: list[tuple[str, int, int]] = []
    gaps = random.Random(5)

    def put_structures() -> None:
        def reserve(name: str, length: int) -> None:
            places[name] = len(out)
            out.extend(pad(bytes(length)))

        wanted = [("header", 1024), ("table", entries * 4)]
        for name, length in reversed(wanted) if args.scatter else wanted:
            reserve(name, length)
        for code, text in texts:
            data = locator_data(code, text)
            locators.append((code, len(out), len(data)))
            out.extend(pad(data))

    half = len(blocks.held) // 2 if args.scatter else 0
    for number, index in enumerate(blocks.held):
        if number == half:
            put_structures()
        if args.shuffle or args.scatter:
            out.extend(b"gap " * 128 * gaps.randrange(4))
        table[index] = len(out) // SECTOR
        out.extend(blocks.bytes_of(index))
    if not blocks.held:
        put_structures()
    head = header(args, places["table"], entries, locators, parent)
    out[places["header"] : places["header"] + len(head)] = head
    struct.pack_into(f">{entries}I", out, places["table"], *table)
    foot = footer(len(content), args.kind, args, places["header"])
    out[:SECTOR] = foot
    return bytes(out) + foot


def make(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["fixed", "dynamic", "differencing"])
    parser.add_argument("target")
    parser.add_argument("content")
    parser.add_argument("--block", type=int, default=2 * 1024 * 1024)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--scatter", action="store_true")
    parser.add_argument("--creator", default="win ")
    parser.add_argument("--id")
    parser.add_argument("--over")
    parser.add_argument("--base")
    parser.add_argument("--locator", action="append", default=[])
    parser.add_argument("--space", choices=["bytes", "sectors"], default="bytes")
    parser.add_argument("--name", default="")
    parser.add_argument("--stamp", type=int)
    parser.add_argument("--parent-id")
    parser.add_argument("--table", type=int, default=0)
    parser.add_argument("--geometry", type=lambda text: [int(each) for each in text.split(",")])
    parser.add_argument("--short-footer", action="store_true")
    args = parser.parse_args(arguments)
    with open(args.content, "rb") as file:
        content = file.read()
    if args.id is None:
        args.id = random.Random(args.target).randbytes(16).hex()
    if args.kind == "fixed":
        data = content + footer(len(content), "fixed", args, NOWHERE)
    else:
        data = sparse(content, args)
    with open(args.target, "wb") as file:
        file.write(data[:-1] if args.short_footer else data)


if sys.argv[1:] == ["-"]:
    for line in sys.stdin:
        make(json.loads(line))
else:
    make(sys.argv[1:])
