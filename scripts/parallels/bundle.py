#!/usr/bin/env python3
"""Writes disks of Parallels with a descriptor, for tests, from the description of the format alone.

usage: bundle.py TARGET CONTENT [--layers N] [--split SECTORS,…] [--plain-root] [--tracks N] [--old]
                 [--no-top] [--extension]

TARGET is a directory that is made. CONTENT is a raw disk. With several layers, each but the root
holds clusters that differ from what lies below: the layer K from the top shows the content with the
last K * 1/8 of its bytes inverted, so the one from the top is CONTENT itself. Their GUIDs are printed,
the uppermost first.
"""

import argparse
import hashlib
import os
import random
import struct
import uuid

SECTOR = 512
TOP = "{5fbaabe3-6958-40ff-92a7-860e329aab41}"
NONE = "{00000000-0000-0000-0000-000000000000}"


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def expanding(content: bytes, below: bytes | None, args) -> bytes:
    """The clusters that differ from what lies below, in an order of their own."""
    size = args.tracks * SECTOR
    clusters = cut(content, size)
    under = [bytes(len(each)) for each in clusters] if below is None else cut(below, size)
    held = [index for index, each in enumerate(clusters) if each != under[index]]
    random.Random(len(content)).shuffle(held)
    data_sector = -(-(64 + 4 * len(clusters)) // size) * args.tracks
    unit = 1 if args.old else args.tracks
    table = [0] * len(clusters)
    body = b""
    for place, index in enumerate(held):
        table[index] = (data_sector + place * args.tracks) // unit
        body += clusters[index].ljust(size, b"\0")
    ext_off = 0
    if args.extension:
        ext_off = data_sector + len(held) * args.tracks
        body += extension(len(content), size)
    header = struct.pack(
        "<16sIIIIIQIIIQ",
        b"WithoutFreeSpace" if args.old else b"WithouFreSpacExt",
        2, 16, 1, args.tracks, len(clusters), len(content) // SECTOR, 0x312E3276, data_sector, 0, ext_off,
    )
    front = header + struct.pack(f"<{len(table)}I", *table)
    return front.ljust(data_sector * SECTOR, b"\0") + body


def extension(disk: int, size: int) -> bytes:
    """A dirty bitmap whose bits are all set, and the end of features."""
    bits = struct.pack("<Q16sIIQ", disk // SECTOR, uuid.UUID(int=7).bytes, 128, 1, 1)
    features = struct.pack("<QQII", 0x20385FAE252CB34A, 0, len(bits), 0) + bits
    features = features.ljust(-(-len(features) // 8) * 8, b"\0") + bytes(24)
    rest = features.ljust(size - 24, b"\0")
    return struct.pack("<Q", 0xAB234CEF23DCEA87) + hashlib.md5(rest).digest() + rest


def shown(content: bytes, layer: int) -> bytes:
    """What is seen from a layer on, 0 being the top."""
    start = len(content) - layer * (len(content) // 8)
    return content[:start] + bytes(byte ^ 0xFF for byte in content[start:])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("content")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--split", default="")
    parser.add_argument("--plain-root", action="store_true")
    parser.add_argument("--tracks", type=int, default=16)
    parser.add_argument("--old", action="store_true")
    parser.add_argument("--no-top", action="store_true")
    parser.add_argument("--extension", action="store_true")
    args = parser.parse_args()
    with open(args.content, "rb") as file:
        content = file.read()
    os.makedirs(args.target)
    maker = random.Random(1)
    guids = ["{%s}" % uuid.UUID(int=maker.getrandbits(128)) for _ in range(args.layers)]
    if args.no_top:
        guids[0] = TOP
    bounds = [0, *(int(each) for each in args.split.split(",") if each), len(content) // SECTOR]

    storages = ""
    for number, (start, end) in enumerate(zip(bounds, bounds[1:])):
        images = ""
        for layer in reversed(range(args.layers)):
            part = shown(content, layer)[start * SECTOR : end * SECTOR]
            is_root = layer == args.layers - 1
            below = None if is_root else shown(content, layer + 1)[start * SECTOR : end * SECTOR]
            plain = is_root and args.plain_root
            name = f"disk &{number}.hdd.{layer}.{guids[layer]}.hds"
            with open(os.path.join(args.target, name), "wb") as target:
                # A plain file may end where only zeros would follow.
                target.write(part.rstrip(b"\0") if plain else expanding(part, below, args))
            kind = "Plain" if plain else "Compressed"
            file = name.replace("&", "&amp;")
            images += f"<Image><GUID>{guids[layer]}</GUID><Type>{kind}</Type><File>{file}</File></Image>\n"
        storages += (
            f"<Storage><Start>{start}</Start><End>{end}</End>"
            f"<Blocksize>{args.tracks}</Blocksize>\n{images}</Storage>\n"
        )
    shots = ""
    for layer in range(args.layers):
        parent = guids[layer + 1] if layer + 1 < args.layers else NONE
        shots += f"<Shot><GUID>{guids[layer]}</GUID><ParentGUID>{parent}</ParentGUID></Shot>\n"
    top = "" if args.no_top else f"<TopGUID>{guids[0]}</TopGUID>\n"
    with open(os.path.join(args.target, "DiskDescriptor.xml"), "w", encoding="utf-8") as target:
        target.write(
            "<?xml version='1.0' encoding='UTF-8'?>\n<!-- <made> -->\n<Parallels_disk_image Version=\"1.0\">\n"
            f"<Disk_Parameters><Disk_size>{len(content) // SECTOR}</Disk_size><Cylinders>1</Cylinders>"
            f"<Heads>1</Heads><Sectors>{len(content) // SECTOR}</Sectors><Padding>0</Padding>"
            f"<Encryption><Engine>{NONE}</Engine><Data></Data></Encryption><Miscellaneous/></Disk_Parameters>\n"
            f"<StorageData>\n{storages}</StorageData>\n<Snapshots>\n{top}{shots}</Snapshots>\n</Parallels_disk_image>\n"
        )
    print("\n".join(guids))


main()
