#!/usr/bin/env python3
"""Writes EWF images (E01), for tests, from the description of the format alone (libewf project,
"Expert Witness Compression Format specification").

usage: ewf.py -
       ewf.py KIND TARGET CONTENT [--sections NAME,…] [--tables both|first|second] [--gap BYTES]
              [--plain] [--no-base] [--table-chunks N]

With "-" each line of the input is a JSON list of arguments, for an image of its own.

CONTENT is a raw disk of whole sectors. KIND is
  e01   one segment, with the sections in the order given; "chunks" stands for sectors and tables,
        and a name that the format does not have for a section that nobody knows

--tables says which of the two tables there are, --gap puts bytes behind each chunk, --no-base has
offsets count from the start of the file.
"""

import argparse
import hashlib
import json
import struct
import sys
import zlib

CHUNK = 32768
SECTOR = 512
DESCRIPTOR = 76
USUAL = "header2,header2,header,volume,chunks,data,digest,hash,done"


def summed(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.adler32(data))


class Image:
    def __init__(self, content: bytes, args):
        self.content = content
        self.args = args
        self.out = bytearray(b"EVF\x09\x0d\x0a\xff\0" + struct.pack("<BHH", 1, 1, 0))

    def section(self, name: str, data: bytes) -> None:
        size = DESCRIPTOR + len(data)
        after = len(self.out) + (0 if name == "done" else size)
        self.out += summed(struct.pack("<16sQQ40s", name.encode(), after, size, b"")) + data

    def add(self, name: str) -> None:
        writers = {
            "header": lambda: zlib.compress(self.notes().encode()),
            "header2": lambda: zlib.compress(b"\xff\xfe" + self.notes().encode("utf-16-le")),
            "volume": self.volume,
            "disk": self.volume,
            "data": self.volume,
            "hash": lambda: summed(hashlib.md5(self.content).digest() + bytes(16)),
            "digest": self.digest,
            "session": lambda: summed(struct.pack("<I28s", 1, b"")) + summed(bytes(32)),
            "error2": lambda: summed(struct.pack("<I512s", 1, b"")) + summed(struct.pack("<II", 5, 2)),
            "done": lambda: b"",
        }
        if name == "chunks":
            self.chunks()
        else:
            self.section(name, writers.get(name, lambda: b"nobody knows what this is")())

    def notes(self) -> str:
        names = ["c", "n", "a", "e", "t", "av", "ov", "m", "u", "p"]
        values = ["case", "1", "disk", "me", "none", "ADI3.1", "Windows", "2020 1 2 3 4 5", "2020 1 2 3 4 5", "0"]
        return "1\r\nmain\r\n" + "\t".join(names) + "\r\n" + "\t".join(values) + "\r\n\r\n"

    def volume(self) -> bytes:
        chunks = -(-len(self.content) // CHUNK)
        head = struct.pack("<B3xIIIQ", 1, chunks, CHUNK // SECTOR, SECTOR, len(self.content) // SECTOR)
        head += struct.pack("<IIIB3xI4xIB3xI4x16s", 0, 0, 0, 1, 0, 0, 1, 64, bytes(range(16)))
        return summed(head.ljust(1048, b"\0"))

    def digest(self) -> bytes:
        both = hashlib.md5(self.content).digest() + hashlib.sha1(self.content).digest()
        return summed(both + bytes(40))

    def chunks(self) -> None:
        args = self.args
        pieces = [self.content[at : at + CHUNK] for at in range(0, len(self.content), CHUNK)]
        for first in range(0, len(pieces), args.table_chunks):
            section_at = len(self.out)
            base = 0 if args.no_base else section_at
            data, entries = bytearray(), []
            for piece in pieces[first : first + args.table_chunks]:
                offset = section_at + DESCRIPTOR + len(data) - base
                packed = zlib.compress(piece)
                is_plain = args.plain or len(packed) >= len(piece)
                entries.append(offset if is_plain else offset | 1 << 31)
                data += (summed(piece) if is_plain else packed) + bytes(args.gap)
            self.section("sectors", bytes(data))
            table = summed(struct.pack("<I4xQ4x", len(entries), base))
            table += summed(struct.pack(f"<{len(entries)}I", *entries))
            for name, which in (("table", "first"), ("table2", "second")):
                if args.tables in ("both", which):
                    self.section(name, table)


def make(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["e01"])
    parser.add_argument("target")
    parser.add_argument("content")
    parser.add_argument("--sections", default=USUAL)
    parser.add_argument("--tables", choices=["both", "first", "second"], default="both")
    parser.add_argument("--gap", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--no-base", action="store_true")
    parser.add_argument("--table-chunks", type=int, default=16)
    args = parser.parse_args(arguments)
    with open(args.content, "rb") as file:
        image = Image(file.read(), args)
    for name in args.sections.split(","):
        image.add(name)
    with open(args.target, "wb") as file:
        file.write(image.out)


if sys.argv[1:] == ["-"]:
    for line in sys.stdin:
        make(json.loads(line))
else:
    make(sys.argv[1:])
