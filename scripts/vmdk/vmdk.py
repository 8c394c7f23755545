#!/usr/bin/env python3
"""Writes VMware's disks (VMDK), for tests, from the descriptions of the format alone.

usage: vmdk.py KIND TARGET CONTENT [--grain SECTORS] [--entries N] [--extents SECTORS,…] [--shuffle]
               [--zeroed] [--over NAME --base CONTENT] [--no-footer] [--whole-last]

CONTENT is a raw disk. KIND is one of
  sparse    one hosted sparse extent with its descriptor
  stream    stream-optimized: compressed grains and tables behind markers, a footer at the end
  split     hosted sparse extents of the lengths given (the last takes the rest), and a descriptor
  mixed     extents of the lengths given, in turn flat in one file, of zeros, and sparse
  cowd      an extent of ESX Server ("COWD") and a descriptor
  sesparse  a space-efficient sparse extent and a descriptor
  vmfs      a flat extent of ESX Server and a descriptor

With --over the disk holds only what differs from BASE, the content of the disk NAME next to it.
"""

import argparse
import os
import random
import re
import struct
import zlib

SECTOR = 512
NO_PARENT = "ffffffff"


def pad(data: bytes, unit: int) -> bytes:
    return data + bytes(-len(data) % unit)


def up(value: int, unit: int) -> int:
    return -(-value // unit)


class Content:
    """The disk, and what lies below it."""

    def __init__(self, content: bytes, base: bytes | None):
        self.content = content
        self.base = base

    def part(self, first: int, count: int) -> "Content":
        cut = slice(first * SECTOR, (first + count) * SECTOR)
        return Content(self.content[cut], None if self.base is None else self.base[cut])

    @property
    def sectors(self) -> int:
        return len(self.content) // SECTOR

    def grains(self, size: int, args) -> list[tuple[int, bytes]]:
        """Those that the disk has to hold, in the order in which they are written."""
        held = []
        for index in range(up(len(self.content), size)):
            cut = slice(index * size, (index + 1) * size)
            below = bytes(size) if self.base is None else self.base[cut]
            if self.content[cut] != below[: len(self.content[cut])].ljust(len(self.content[cut]), b"\0"):
                held.append((index, self.content[cut]))
        if args.shuffle:
            random.Random(1).shuffle(held)
        return held


def hosted_header(sectors: int, args, flags: int, version: int, places: dict) -> bytes:
    return struct.pack(
        "<4sIIQQQQIQQQBBBBBH",
        b"KDMV",
        version,
        flags,
        sectors,
        args.grain,
        places.get("descriptor", 0),
        places.get("descriptor_size", 0),
        args.entries,
        places.get("redundant", 0),
        places["directory"],
        places["overhead"],
        0,
        0x0A,
        0x20,
        0x0D,
        0x0A,
        places.get("compression", 0),
    ).ljust(SECTOR, b"\0")


def hosted(part: Content, args, descriptor: bytes | None) -> bytes:
    """A sparse extent: header, descriptor, both directories with their tables, grains."""
    size = args.grain * SECTOR
    tables = up(up(part.sectors, args.grain), args.entries)
    text = pad(descriptor, SECTOR) if descriptor is not None else b""
    redundant = 1 + len(text) // SECTOR
    table_sectors = up(args.entries * 4, SECTOR)
    copy = up(tables * 4, SECTOR) + tables * table_sectors
    directory = redundant + copy
    overhead = directory + copy
    entries = [0] * (tables * args.entries)
    grains = b""
    for index, data in part.grains(size, args):
        if args.zeroed and not any(data):
            entries[index] = 1
            continue
        entries[index] = overhead + len(grains) // SECTOR
        grains += data.ljust(size, b"\0")
    places = {"directory": directory, "redundant": redundant, "overhead": overhead}
    if descriptor is not None:
        places |= {"descriptor": 1, "descriptor_size": len(text) // SECTOR}
    head = hosted_header(part.sectors, args, 7 if args.zeroed else 3, 2 if args.zeroed else 1, places)
    out = head + text
    for at in (redundant, directory):
        first = at + up(tables * 4, SECTOR)
        out += pad(struct.pack(f"<{tables}I", *[first + table * table_sectors for table in range(tables)]), SECTOR)
        for table in range(tables):
            mine = entries[table * args.entries : (table + 1) * args.entries]
            out += pad(struct.pack(f"<{args.entries}I", *mine), SECTOR)
    return out + grains


MARKER = {"end": 0, "table": 1, "directory": 2, "footer": 3}


def marker(kind: str, sectors: int) -> bytes:
    return struct.pack("<QII", sectors, 0, MARKER[kind]).ljust(SECTOR, b"\0")


def stream(disk: Content, args, descriptor: bytes) -> bytes:
    """As a program writes it that cannot go back: a table behind the grains of each."""
    size = args.grain * SECTOR
    text = pad(descriptor, SECTOR)
    places = {"descriptor": 1, "descriptor_size": len(text) // SECTOR, "compression": 1}
    places["overhead"] = max(128, 1 + len(text) // SECTOR)
    out = bytearray(places["overhead"] * SECTOR)
    out[SECTOR : SECTOR + len(text)] = text
    directory = []
    held = disk.grains(size, args)
    for table in range(up(up(disk.sectors, args.grain), args.entries)):
        entries = [0] * args.entries
        for index, data in held:
            if index // args.entries != table:
                continue
            entries[index % args.entries] = len(out) // SECTOR
            packed = zlib.compress(data.ljust(size, b"\0") if args.whole_last else data)
            out += pad(struct.pack("<QI", index * args.grain, len(packed)) + packed, SECTOR)
        if not any(entries):
            directory.append(0)
            continue
        out += marker("table", up(args.entries * 4, SECTOR))
        directory.append(len(out) // SECTOR)
        out += pad(struct.pack(f"<{args.entries}I", *entries), SECTOR)
    data = pad(struct.pack(f"<{len(directory)}I", *directory), SECTOR)
    out += marker("directory", len(data) // SECTOR)
    places["directory"] = len(out) // SECTOR
    out += data
    footer = hosted_header(disk.sectors, args, 0x30001, 3, places)
    if args.no_footer:
        out[:SECTOR] = footer
    else:
        out[:SECTOR] = hosted_header(disk.sectors, args, 0x30001, 3, places | {"directory": 2**64 - 1})
        out += marker("footer", 1) + footer
    return bytes(out + marker("end", 0))


def cowd(disk: Content, args) -> bytes:
    """Tables of 4096 entries, each set aside when the first of its grains is."""
    size = args.grain * SECTOR
    tables = up(up(disk.sectors, args.grain), 4096)
    directory_sectors = up(tables * 4, SECTOR)
    directory = [0] * tables
    out = bytearray((4 + directory_sectors) * SECTOR)
    for index, data in disk.grains(size, args):
        table = index // 4096
        if directory[table] == 0:
            directory[table] = len(out) // SECTOR
            out += bytes(4096 * 4)
        struct.pack_into("<I", out, directory[table] * SECTOR + index % 4096 * 4, len(out) // SECTOR)
        out += data.ljust(size, b"\0")
    head = struct.pack("<4sIIIIIII", b"COWD", 1, 3, disk.sectors, args.grain, 4, tables, len(out) // SECTOR)
    # CHS, then the name of a parent, generation …: none of it tells where grains are.
    out[: len(head)] = head
    struct.pack_into(f"<{tables}I", out, 4 * SECTOR, *directory)
    return bytes(out)


def sesparse(disk: Content, args) -> bytes:
    """Grains of 4 KiB, tables of 4096 entries of eight bytes."""
    size = 8 * SECTOR
    tables = up(up(disk.sectors, 8), 4096)
    held = disk.grains(size, args)
    zeroed = [index for index, data in held if args.zeroed and not any(data)]
    held = [(index, data) for index, data in held if index not in zeroed]
    directory, directory_size = 8, up(tables * 8, SECTOR)
    # Tables in reverse, so that their numbers matter.
    first_table = directory + directory_size
    grains = up(first_table + tables * 64, 8) * 8
    numbers = {table: tables - 1 - table for table in range(tables)}
    used = {index // 4096 for index, _ in held} | {index // 4096 for index in zeroed}
    out = bytearray(grains * SECTOR + len(held) * size)
    for table in used:
        struct.pack_into("<Q", out, directory * SECTOR + table * 8, 0x1000_0000_0000_0000 | numbers[table])
    def put(index: int, entry: int) -> None:
        at = (first_table + numbers[index // 4096] * 64) * SECTOR + index % 4096 * 8
        struct.pack_into("<Q", out, at, entry)
    for index in zeroed:
        put(index, 2 << 60)
    for place, (index, data) in enumerate(held):
        put(index, 3 << 60 | (place & 0xFFF) << 48 | place >> 12)
        at = grains * SECTOR + place * size
        out[at : at + len(data)] = data
    values = [0xCAFEBABE, 0x0000_0002_0000_0001, disk.sectors, 8, 64, 0, 0, 0, 0, 0]
    values += [1, 1, 2, 2, 4, 4, directory, directory_size, first_table, tables * 64]
    values += [0, 0, 0, 0, grains, len(held) * 8]
    struct.pack_into(f"<{len(values)}Q", out, 0, *values)
    struct.pack_into("<QQQQ", out, SECTOR, 0xCAFECAFE, 0, 0, 0)
    return bytes(out)


def cid_of(path: str) -> str:
    with open(path, "rb") as file:
        return re.search(rb"^CID=([0-9a-fA-F]+)", file.read(64 * 1024), re.M)[1].decode()


class Disk:
    def __init__(self, args):
        with open(args.content, "rb") as file:
            content = file.read()
        base = None
        if args.base is not None:
            with open(args.base, "rb") as file:
                base = file.read().ljust(len(content), b"\0")[: len(content)]
        self.args = args
        self.disk = Content(content, base)
        self.folder, name = os.path.split(args.target)
        self.stem = os.path.splitext(name)[0]

    def write(self, name: str, data: bytes) -> str:
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(data)
        return name

    def descriptor(self, create_type: str, lines: list[str]) -> bytes:
        args = self.args
        over = args.over
        parent = NO_PARENT if over is None else cid_of(os.path.join(self.folder, over))
        text = ["# Disk DescriptorFile", "version=1", 'encoding="UTF-8"', f"CID={random.getrandbits(31):08x}"]
        text += [f"parentCID={parent}", "isNativeSnapshot=\"no\"", f'createType="{create_type}"']
        if over is not None:
            text.append(f'parentFileNameHint="{over}"')
        text += ["", "# Extent description", *lines, "", "# The Disk Data Base", "#DDB", ""]
        text += ['ddb.adapterType = "lsilogic"', 'ddb.geometry.sectors = "63"', 'ddb.longContentID = "0"', ""]
        return "\n".join(text).encode()

    def lengths(self) -> list[int]:
        given = [int(each) for each in self.args.extents.split(",") if each]
        return [*given, self.disk.sectors - sum(given)]

    def sparse(self) -> None:
        line = f'RW {self.disk.sectors} SPARSE "{os.path.basename(self.args.target)}"'
        make = stream if self.args.kind == "stream" else hosted
        create_type = "streamOptimized" if self.args.kind == "stream" else "monolithicSparse"
        self.write(os.path.basename(self.args.target), make(self.disk, self.args, self.descriptor(create_type, [line])))

    def split(self) -> None:
        lines, first = [], 0
        for number, count in enumerate(self.lengths(), 1):
            name = self.write(f"{self.stem}-s{number:03}.vmdk", hosted(self.disk.part(first, count), self.args, None))
            lines.append(f'RW {count} SPARSE "{name}"')
            first += count
        self.write(os.path.basename(self.args.target), self.descriptor("twoGbMaxExtentSparse", lines))

    def mixed(self) -> None:
        """One file holds all flat extents, with something between them."""
        flat, lines, first = b"", [], 0
        name = f"{self.stem}-flat.bin"
        for number, count in enumerate(self.lengths()):
            part = self.disk.part(first, count)
            if not any(part.content):
                lines.append(f"RW {count} ZERO")
            elif number % 2 == 0:
                flat += b"between " * 64
                lines.append(f'RW {count} FLAT "{name}" {len(flat) // SECTOR}')
                flat += part.content
            else:
                other = self.write(f"{self.stem}-s{number:03}.vmdk", hosted(part, self.args, None))
                lines.append(f'RW {count} SPARSE "{other}"')
            first += count
        self.write(name, flat)
        self.write(os.path.basename(self.args.target), self.descriptor("custom", lines))

    def esx(self) -> None:
        kinds = {
            "cowd": ("vmfsSparse", "VMFSSPARSE", "delta", cowd),
            "sesparse": ("seSparse", "SESPARSE", "sesparse", sesparse),
            "vmfs": ("vmfs", "VMFS", "flat", lambda disk, _: disk.content),
        }
        create_type, extent_type, ending, make = kinds[self.args.kind]
        name = self.write(f"{self.stem}-{ending}.vmdk", make(self.disk, self.args))
        lines = [f'RW {self.disk.sectors} {extent_type} "{name}"']
        self.write(os.path.basename(self.args.target), self.descriptor(create_type, lines))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["sparse", "stream", "split", "mixed", "cowd", "sesparse", "vmfs"])
    parser.add_argument("target")
    parser.add_argument("content")
    parser.add_argument("--grain", type=int, default=128)
    parser.add_argument("--entries", type=int, default=512)
    parser.add_argument("--extents", default="")
    parser.add_argument("--over")
    parser.add_argument("--base")
    for flag in ("--shuffle", "--zeroed", "--no-footer", "--whole-last"):
        parser.add_argument(flag, action="store_true")
    disk = Disk(parser.parse_args())
    writers = {"sparse": disk.sparse, "stream": disk.sparse, "split": disk.split, "mixed": disk.mixed}
    writers.get(disk.args.kind, disk.esx)()


main()
