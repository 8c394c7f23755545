#!/usr/bin/env python3
"""Writes Apple's disk images (UDIF), for tests, from the description of the format alone.

usage: udif.py IMAGE CONTENT [--chunks KIND,KIND,…] [--sectors N] [--tables N] [--resource-fork]
               [--front] [--data-start N] [--no-checksums] [--segments LENGTH,LENGTH,…]

CONTENT is a raw disk. Its chunks take the kinds given in turn: raw, adc, zlib, bzip2, lzfse, lzvn,
lzfse-mixed, lzma; those that hold zeros alone become `zero` or `ignore`. With --segments, IMAGE (.dmg)
has as many bytes of the data fork as the first length says, and the property list; the rest is in
files called .002.dmgpart and so on.
"""

import argparse
import base64
import bz2
import lzma
import struct
import zlib

import adc
import lzfse

SECTOR = 512
TYPES = {
    "zero": 0,
    "raw": 1,
    "ignore": 2,
    "comment": 0x7FFFFFFE,
    "adc": 0x80000004,
    "zlib": 0x80000005,
    "bzip2": 0x80000006,
    "lzfse": 0x80000007,
    "lzvn": 0x80000007,
    "lzfse-mixed": 0x80000007,
    "lzma": 0x80000008,
    "end": 0xFFFFFFFF,
}
ENCODERS = {
    "raw": lambda data: data,
    "adc": adc.encode,
    "zlib": lambda data: zlib.compress(data, 6),
    "bzip2": bz2.compress,
    "lzfse": lambda data: lzfse.encode("v2", data),
    "lzvn": lambda data: lzfse.encode("lzvn", data),
    "lzfse-mixed": lambda data: lzfse.encode("mixed", data),
    "lzma": lambda data: lzma.compress(data, preset=6),
}
CRC32 = 2


def checksum(value: int | None) -> bytes:
    """Type, length in bits, 128 bytes."""
    if value is None:
        return struct.pack(">II128x", 0, 0)
    return struct.pack(">III124x", CRC32, 32, value)


def entry(kind: str, first: int, count: int, at: int, size: int) -> bytes:
    return struct.pack(">IIQQQQ", TYPES[kind], 0x2B626567 if kind == "comment" else 0, first, count, at, size)


def table(content: bytes, first: int, number: int, args, fork: bytearray) -> tuple[bytes, int]:
    """One `mish` block about content, which begins at sector `first` of the disk."""
    entries = [entry("comment", 0, 0, len(fork) - args.data_start, 0)]
    step = args.sectors * SECTOR
    blanks = crc = 0
    for index, at in enumerate(range(0, len(content), step)):
        data = content[at : at + step]
        kind = args.chunks[index % len(args.chunks)]
        sector, count = at // SECTOR, len(data) // SECTOR
        if not any(data):
            blanks += 1
            entries.append(entry("zero" if blanks % 2 else "ignore", sector, count, 0, 0))
            # What is ignored is not part of the checksum either.
            crc = zlib.crc32(data, crc) if blanks % 2 else crc
            continue
        crc = zlib.crc32(data, crc)
        packed = ENCODERS[kind](data)
        entries.append(entry(kind, sector, count, len(fork) - args.data_start, len(packed)))
        fork += packed
    entries.append(entry("end", len(content) // SECTOR, 0, len(fork) - args.data_start, 0))
    head = b"mish" + struct.pack(
        ">IQQQII24x", 1, first, len(content) // SECTOR, args.data_start, args.sectors + 8, number
    )
    return head + checksum(None if args.no_checksums else crc) + struct.pack(">I", len(entries)) + b"".join(entries), crc


def plist(tables: list[bytes]) -> bytes:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append('<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"')
    lines.append(' "http://www.apple.com/DTDs/PropertyList-1.0.dtd">')
    lines += ['<plist version="1.0">', "<dict>", "<key>resource-fork</key>", "<dict>", "<key>blkx</key>", "<array>"]
    for index, data in enumerate(tables):
        text = base64.b64encode(data).decode()
        lines += ["<dict>", "<key>Attributes</key>", "<string>0x0050</string>"]
        lines += ["<key>CFName</key>", f"<string>whole &amp; part {index}</string>", "<key>Data</key>", "<data>"]
        lines += [text[at : at + 52] for at in range(0, len(text), 52)]
        lines += ["</data>", "<key>ID</key>", f"<string>{index}</string>"]
        lines += ["<key>Name</key>", f"<string>whole &amp; part {index}</string>", "</dict>"]
    lines += ["</array>", "<key>plst</key>", "<array/>", "</dict>", "</dict>", "</plist>", ""]
    return "\n".join(lines).encode()


def resource_fork(tables: list[bytes]) -> bytes:
    """Resources of type `blkx`, and one of another type before them."""
    kinds = [(b"cSum", [b"\0\1\0\2"]), (b"blkx", tables)]
    data = bytearray()
    types = bytearray(struct.pack(">H", len(kinds) - 1))
    references = bytearray()
    for kind, resources in kinds:
        at = 2 + 8 * len(kinds) + len(references)
        types += kind + struct.pack(">HH", len(resources) - 1, at)
        for index, resource in enumerate(resources):
            references += struct.pack(">hHI4x", index, 0xFFFF, len(data))
            data += struct.pack(">I", len(resource)) + resource
    body = types + references
    header = struct.pack(">IIII", 256, 256 + len(data), len(data), 28 + len(body))
    places = header + bytes(4 + 2 + 2) + struct.pack(">HH", 28, 28 + len(body))
    return header + bytes(240) + bytes(data) + places + bytes(body)


def trailer(args, sectors: int, fork: bytes, master: int | None, places: dict) -> bytes:
    koly = b"koly" + struct.pack(
        ">IIIQQQQQII16s",
        4,
        512,
        1,
        places.get("running", 0),
        places.get("front", 0),
        len(fork),
        places.get("resources_at", 0),
        places.get("resources", 0),
        places.get("number", 1),
        places.get("count", 1),
        bytes(range(16)),
    )
    koly += checksum(None if args.no_checksums else zlib.crc32(fork))
    koly += struct.pack(">QQ120x", places.get("xml_at", 0), places.get("xml", 0))
    koly += checksum(master) + struct.pack(">IQ12x", 1, sectors)
    assert len(koly) == 512
    return koly


def write(args, content: bytes) -> list[bytes]:
    assert len(content) % SECTOR == 0
    fork = bytearray(bytes(args.data_start))
    tables, crcs = [], []
    sectors = len(content) // SECTOR
    step = -(-sectors // args.tables) * SECTOR
    for number, at in enumerate(range(0, len(content), step)):
        made, crc = table(content[at : at + step], at // SECTOR, number, args, fork)
        tables.append(made)
        crcs.append(crc)
    master = None if args.no_checksums else zlib.crc32(b"".join(struct.pack(">I", crc) for crc in crcs))
    xml = b"" if args.resource_fork else plist(tables)
    resources = resource_fork(tables) if args.resource_fork else b""
    if args.segments:
        return segments(args, sectors, bytes(fork), master, xml)
    front = SECTOR if args.front else 0
    rest_at = front + len(fork)
    places = {"front": front}
    if resources:
        places |= {"resources_at": rest_at, "resources": len(resources)}
    if xml:
        places |= {"xml_at": rest_at, "xml": len(xml)}
    koly = trailer(args, sectors, bytes(fork), master, places)
    if args.front:
        return [koly + bytes(fork) + resources + xml]
    return [bytes(fork) + resources + xml + koly]


def segments(args, sectors: int, fork: bytes, master: int | None, xml: bytes) -> list[bytes]:
    files, running = [], 0
    lengths = [*args.segments, len(fork) - sum(args.segments)]
    assert all(length >= 0 for length in lengths)
    for number, length in enumerate(lengths, 1):
        part = fork[running : running + length]
        places = {"running": running, "number": number, "count": len(lengths)}
        rest = xml if number == 1 else b""
        if rest:
            places |= {"xml_at": length, "xml": len(xml)}
        files.append(part + rest + trailer(args, sectors, part, master, places))
        running += length
    return files


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    made.add_argument("image")
    made.add_argument("content")
    made.add_argument("--chunks", type=lambda text: text.split(","), default=["zlib"])
    made.add_argument("--sectors", type=int, default=512)
    made.add_argument("--tables", type=int, default=1)
    made.add_argument("--resource-fork", action="store_true")
    made.add_argument("--front", action="store_true", help="the trailer is at the start instead")
    made.add_argument("--data-start", type=int, default=0, help="bytes before the first chunk")
    made.add_argument("--no-checksums", action="store_true")
    made.add_argument("--segments", type=lambda text: [int(each) for each in text.split(",")], default=[])
    return made


if __name__ == "__main__":
    arguments = parser().parse_args()
    with open(arguments.content, "rb") as source:
        whole = write(arguments, source.read())
    for index, data in enumerate(whole, 1):
        name = arguments.image if index == 1 else f"{arguments.image.removesuffix('.dmg')}.{index:03}.dmgpart"
        with open(name, "wb") as target:
            target.write(data)
